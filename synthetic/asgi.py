"""The marker at the door of an ASGI application: Starlette, FastAPI, Django, Litestar, Quart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

from synthetic._admission import Admission, Entrance, admit
from synthetic._config import OnMissing, OnUnverified, active
from synthetic._http import SIMULATED_CACHE_CONTROL, Problem, governs_caching, refusal_of
from synthetic._verdict import Received, enter, enter_real, leave
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] not in _ADMITTED:
            return await self._pass_on(scope, receive, send)
        config = active()
        for name, _ in scope["headers"]:
            if name in _BAGGAGE:
                admission = admit(_baggage_of(scope["headers"]), self._entrance, config)
                break
        else:
            if not self._entrance.must_be_marked(config):
                entered = enter_real()
                try:
                    return await self.app(scope, receive, send)
                finally:
                    leave(entered)
            admission = admit((), self._entrance, config)
        await self._admitted(admission, scope, receive, send)

    async def _admitted(self, admission: Admission, scope: Scope, receive: Receive, send: Send) -> None:
        if admission.verdict is None:
            return await _answer(refusal_of(admission.reason), scope, receive, send)
        if admission.forward is not None:
            scope = {**scope, "headers": _with_baggage(scope["headers"], admission.forward)}
        if isinstance(admission.verdict, Received):
            send = _uncached(send)
        entered = enter(admission.verdict)
        try:
            await self.app(scope, receive, send)
        finally:
            leave(entered)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                self._entrance.check(active())
            except ConfigurationError as error:
                # An exception would read as "lifespan is not supported", and the server would start.
                await receive()
                return await send({"type": "lifespan.startup.failed", "message": str(error)})
        await self.app(scope, receive, send)


_ADMITTED = frozenset({"http", "websocket"})


def _spellings(name: bytes) -> frozenset[bytes]:
    """Every mix of cases: servers lower them, but OpenTelemetry's getter would read the others too."""
    found = {b""}
    for letter in name:
        found = {start + case for start in found for case in (bytes([letter]), bytes([letter]).upper())}
    return frozenset(found)


_BAGGAGE = _spellings(b"baggage")


def _baggage_of(headers: Headers) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name in _BAGGAGE]


def _with_baggage(headers: Headers, values: Sequence[str]) -> list[tuple[bytes, bytes]]:
    replaced = [(b"baggage", value.encode("latin-1")) for value in values]
    return replaced + [header for header in headers if header[0] not in _BAGGAGE]


def _uncached(send: Send) -> Send:
    async def send_uncached(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = [
                header for header in message.get("headers", ()) if not governs_caching(header[0].decode("latin-1"))
            ]
            message = {**message, "headers": [*headers, (b"cache-control", SIMULATED_CACHE_CONTROL.encode())]}
        await send(message)

    return send_uncached


async def _answer(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            return await send({"type": "websocket.close", "code": 1008, "reason": problem.reason})
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers]
    await send({"type": f"{kind}.start", "status": problem.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": problem.body})
