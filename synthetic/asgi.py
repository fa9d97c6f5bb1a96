"""Middleware for ASGI applications: Starlette, FastAPI, Django, Litestar, Quart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from functools import partial
from typing import Any

from opentelemetry.context import get_current

from synthetic._admission.decision import AS_REAL, Admitted, Decision, Refused
from synthetic._admission.entrance import Entrance
from synthetic._admission.problem import CACHE_HEADERS, SIMULATED_CACHE_CONTROL, Problem, problem_of, refusal_of
from synthetic._config import in_force
from synthetic._config.configuration import OnMissing, OnUnverified
from synthetic._model.verdict import REAL
from synthetic._work.state import VERDICT, enter, leave
from synthetic.errors import ConfigurationError

__all__ = ["SyntheticTrafficMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]


class SyntheticTrafficMiddleware:
    """Admits each request as real or simulated, or answers it: 403 if it is refused, 429 if it may come again later.

    Put it outermost, or anywhere inside OpenTelemetry's middleware. Every request has an explicit verdict until its
    handling ends, background tasks included. Applied twice, it decides the same as once. Its answers are problem
    documents (RFC 9457). A simulated request that raises EffectRefused before its response has started gets a 403.

    Args:
        app: the ASGI application.
        edge: False if only services that take part can reach this application.
        on_unverified: ``"refuse"`` or ``"strip"``.
        on_missing: ``"real"`` or ``"refuse"``.

    A setting that you do not give here comes from ``synthetic.configure``. An invalid value raises ConfigurationError.
    Settings that cannot work together fail the application's lifespan start-up.
    """

    def __init__(
        self,
        app: Application,
        *,
        edge: bool | None = None,
        on_unverified: OnUnverified | None = None,
        on_missing: OnMissing | None = None,
    ) -> None:
        self.app = app
        self._entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        try:
            headers = scope["headers"]
        except KeyError:  # a lifespan; testing for it here would cost every request
            return await self._without_headers(scope, receive, send)
        values: list[str] | None = None
        for name, value in headers:
            if len(name) == 7 and name.lower() == b"baggage":  # in any case, as in OpenTelemetry's getter
                if values is None:
                    values = [value.decode("latin-1")]
                else:
                    values.append(value.decode("latin-1"))
        decision: Decision = AS_REAL
        if values is not None or self._entrance.open_under is not in_force.config:
            decision = self._entrance.decide(values or ())
        if decision is AS_REAL and not get_current():
            # The path of nearly every request, so it does nothing else.
            alone = _set_verdict(REAL)
            try:
                return await self.app(scope, receive, send)
            finally:
                try:
                    _reset_verdict(alone)
                except ValueError:
                    pass  # finalised in another context: there is nothing to restore here
        if isinstance(decision, Refused):
            return await _answer(refusal_of(decision.reason), scope, receive, send)
        return await self._admitted(decision, scope, receive, send)

    async def _admitted(self, decision: Admitted, scope: Scope, receive: Receive, send: Send) -> None:
        if decision.onward is not None:
            scope = {**scope, "headers": _with_baggage(scope["headers"], decision.onward)}
        is_simulated = decision.verdict is not REAL
        started: list[bool] = []
        if is_simulated:
            send = partial(_send_uncached, send, started)
        entered = enter(decision.verdict, is_work=True, marks_span=True)
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            answer = problem_of(error) if is_simulated and not started else None
            if answer is None or scope["type"] != "http":
                raise
            await _answer(answer, scope, receive, send)
        finally:
            leave(entered)

    async def _without_headers(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            return await self({**scope, "headers": []}, receive, send)
        if scope["type"] == "lifespan":
            try:
                self._entrance.check(in_force.active())
            except ConfigurationError as error:
                # The server would take an exception for "lifespan is not supported", and start.
                await receive()
                return await send({"type": "lifespan.startup.failed", "message": str(error)})
        await self.app(scope, receive, send)


_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset


def _with_baggage(headers: Headers, values: Sequence[str]) -> list[tuple[bytes, bytes]]:
    replaced = [(b"baggage", value.encode("latin-1")) for value in values]
    replaced += [header for header in headers if len(header[0]) != 7 or header[0].lower() != b"baggage"]
    return replaced


_CACHE_HEADERS = frozenset(name.encode() for name in CACHE_HEADERS)
_CACHE_CONTROL = (b"cache-control", SIMULATED_CACHE_CONTROL.encode())
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})


def _send_uncached(send: Send, started: list[bool], message: Message) -> Awaitable[None]:
    """Send a part of a simulated response, which no shared cache may keep. ``started`` notes that it has begun."""
    if message["type"] in _STARTS:
        started.append(True)
        headers = [header for header in message.get("headers", ()) if header[0].lower() not in _CACHE_HEADERS]
        headers.append(_CACHE_CONTROL)
        message = {**message, "headers": headers}
    return send(message)


async def _answer(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            return await send({"type": "websocket.close", "code": 1008, "reason": problem.reason})
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers]
    await send({"type": f"{kind}.start", "status": problem.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else problem.body})
