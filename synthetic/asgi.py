"""The marker at the door of an ASGI application: Starlette, FastAPI, Django, Litestar, Quart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

from opentelemetry.context import get_current

from synthetic import _config
from synthetic._admission import Entrance, admit
from synthetic._config import OnMissing, OnUnverified
from synthetic._http import CACHE_HEADERS, SIMULATED_CACHE_CONTROL, Problem, problem_of, refusal_of
from synthetic._verdict import REAL, VERDICT, Received, enter, leave
from synthetic.errors import ConfigurationError

__all__ = ["SyntheticTrafficMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]


class SyntheticTrafficMiddleware:
    """Admits each request as real or simulated, or answers it itself: 403 refused, 429 later.

    Put it outermost, or anywhere inside OpenTelemetry's middleware: both work. Every request gets an explicit verdict
    for as long as its handling lasts, background tasks included. Applied twice, it decides the same twice.

    Args:
        app: the ASGI application.
        edge: False where only services that take part can reach this application.
        on_unverified: ``"refuse"`` or ``"strip"``.
        on_missing: ``"real"`` or ``"refuse"``.

    What is not given here is the configuration's; see ``synthetic.configure``.
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
        self._unmarked_is_real_under: object = ()
        """The configuration under which a request without a marker is known to be real."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        try:
            headers = scope["headers"]
        except KeyError:  # a lifespan; a test in this place costs every request more
            return await self._without_headers(scope, receive, send)
        values = None
        for name, value in headers:
            if len(name) == 7 and name.lower() == b"baggage":  # in any case, as OpenTelemetry's getter reads it
                values = [*(values or ()), value.decode("latin-1")]
        if values is None and self._unmarked_is_real_under is _config.in_force and not get_current():
            # Nearly every request comes this way, and pays for nothing else.
            alone = _set_verdict(REAL)
            try:
                return await self.app(scope, receive, send)
            finally:
                try:
                    _reset_verdict(alone)
                except ValueError:
                    pass  # finalised in another context: there is nothing to put back here
        config = _config.active()
        entrance = self._entrance
        if self._unmarked_is_real_under is not config and not entrance.must_be_marked(config):
            self._unmarked_is_real_under = config
        verdict, reason, onward = admit(values or (), entrance, config)
        if verdict is None:
            return await _answer(refusal_of(reason), scope, receive, send)
        if onward is not None:
            scope = {**scope, "headers": _with_baggage(headers, onward)}
        if isinstance(verdict, Received):
            send = _SimulatedSend(send)
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            answer = problem_of(error) if isinstance(send, _SimulatedSend) and not send.has_started else None
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
                self._entrance.check(_config.active())
            except ConfigurationError as error:
                # An exception would read as "lifespan is not supported", and the server would start.
                await receive()
                return await send({"type": "lifespan.startup.failed", "message": str(error)})
        await self.app(scope, receive, send)


_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset


def _with_baggage(headers: Headers, values: Sequence[str]) -> list[tuple[bytes, bytes]]:
    replaced = [(b"baggage", value.encode("latin-1")) for value in values]
    return replaced + [header for header in headers if header[0].lower() != b"baggage"]


_CACHE_HEADERS = frozenset(name.encode() for name in CACHE_HEADERS)
_CACHE_CONTROL = (b"cache-control", SIMULATED_CACHE_CONTROL.encode())
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})


class _SimulatedSend:
    """``send`` for a simulated response: no shared cache may keep it. It knows whether the response has started."""

    __slots__ = ("_send", "has_started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] in _STARTS:
            self.has_started = True
            kept = [header for header in message.get("headers", ()) if header[0].lower() not in _CACHE_HEADERS]
            message = {**message, "headers": [*kept, _CACHE_CONTROL]}
        return self._send(message)


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
