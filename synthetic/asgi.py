"""Middleware for ASGI applications: Starlette, FastAPI, Django, Litestar, Quart."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from functools import lru_cache
from typing import Any

from opentelemetry.context import get_current

from synthetic._admission.decision import AS_REAL, Admitted, Decision, Refused
from synthetic._admission.entrance import Entrance
from synthetic._admission.problem import (
    ACKNOWLEDGEMENT,
    SIMULATED,
    SIMULATED_CACHE_CONTROL,
    Problem,
    is_cache_header,
    problem_of,
    refusal_of,
    server_error_of,
)
from synthetic._config import in_force
from synthetic._config.configuration import OnMissing, OnUnverified
from synthetic._model.verdict import REAL, Received
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
        self._entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing, is_on_loop=True)

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
        if decision is not AS_REAL:
            decision = await self._entrance.turn(decision)
        if isinstance(decision, Refused):
            return await _answer(refusal_of(decision.reason), scope, receive, send)
        return await self._admitted(decision, scope, receive, send)

    async def _admitted(self, decision: Admitted, scope: Scope, receive: Receive, send: Send) -> None:
        if decision.onward is not None:
            scope = {**scope, "headers": _with_baggage(scope["headers"], decision.onward)}
        elif isinstance(decision.verdict, Received):
            # A copy: uvicorn with httptools appends the trailers of the body, which nobody has admitted, to its list.
            scope = {**scope, "headers": list(scope["headers"])}
        verdict = decision.verdict
        response = _SimulatedResponse(verdict, scope, receive, send) if isinstance(verdict, Received) else None
        if response is not None:
            send = response.send
        entered = enter(decision.verdict, is_work=True, marks_span=True)
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            answer = None if response is None else problem_of(error)
            if response is None or answer is None or scope["type"] != "http":
                raise
            if response.has_started and not response.is_answered:
                raise
            await response.answer(answer)
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


_ACKNOWLEDGEMENT = (ACKNOWLEDGEMENT.encode(), SIMULATED.encode())
_CACHE_CONTROL = (b"cache-control", SIMULATED_CACHE_CONTROL.encode())
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class _SimulatedResponse:
    """A simulated response, which no shared cache may keep.

    If the application answers a refused effect with a server error, the answer is a 403 instead.
    """

    __slots__ = ("_receive", "_scope", "_send", "_verdict", "has_started", "is_answered")

    def __init__(self, verdict: Received, scope: Scope, receive: Receive, send: Send) -> None:
        self._verdict = verdict
        self._scope = scope
        self._receive = receive
        self._send = send
        self.has_started = False
        self.is_answered = False

    async def send(self, message: Message) -> None:
        """Send a part of the response. A coroutine function, as the server's: frameworks look at that."""
        if self.is_answered:
            return
        if message["type"] in _STARTS:
            if message["type"] == "http.response.start" and message["status"] >= 500 and not self.has_started:
                answer = server_error_of(self._verdict, sys.exc_info()[1])
                if answer is not None:
                    return await self.answer(answer)
            self.has_started = True
            self._verdict.give_place_back()
            message = {**message, "headers": _simulated_headers(message.get("headers") or ())}
        await self._send(message)

    async def answer(self, problem: Problem) -> None:
        """Send this problem as the response, unless one was sent."""
        if not self.is_answered:
            self.has_started = self.is_answered = True
            self._verdict.give_place_back()
            await _answer(problem, self._scope, self._receive, self._send)


def _simulated_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    kept = [header for header in headers if not _is_cache_header(header[0])]
    is_acknowledged = _ACKNOWLEDGEMENT[0] in [name.lower() for name, _ in kept]
    return [*kept, _CACHE_CONTROL] if is_acknowledged else [*kept, _CACHE_CONTROL, _ACKNOWLEDGEMENT]


@lru_cache(maxsize=1024)  # an application sends the same few names again and again
def _is_cache_header(name: bytes) -> bool:
    return is_cache_header(name.decode("latin-1"))


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
