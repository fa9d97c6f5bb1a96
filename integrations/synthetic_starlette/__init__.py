"""What Starlette and FastAPI applications expect beyond the bare middleware.

``install(app)`` does all of it: admission, ``request.state.marker``, and a problem response where a guard refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

import synthetic.asgi
from synthetic import EffectRefused, Marker, UnverifiedMarker, current
from synthetic._admission import Entrance
from synthetic._config import OnMissing, OnUnverified
from synthetic._http import problem_of

__all__ = ["SyntheticTrafficMiddleware", "install", "marker", "refused"]


class SyntheticTrafficMiddleware(synthetic.asgi.SyntheticTrafficMiddleware):
    """The middleware for ``app.add_middleware``: it also sets ``request.state.marker``, to None for real requests."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        edge: bool | None = None,
        on_unverified: OnUnverified | None = None,
        on_missing: OnMissing | None = None,
    ) -> None:
        super().__init__(_WithState(app), edge=edge, on_unverified=on_unverified, on_missing=on_missing)


class _WithState:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Not a coroutine of its own, which would cost more than what it does: the verdict is in force already.
        if scope["type"] != "lifespan":
            scope.setdefault("state", {})["marker"] = current()
        return self._app(scope, receive, send)


def install(
    app: Starlette,
    *,
    edge: bool | None = None,
    on_unverified: OnUnverified | None = None,
    on_missing: OnMissing | None = None,
) -> None:
    """Add the middleware and the exception handlers to a Starlette or FastAPI application.

    The arguments are those of the middleware. Call it after other ``add_middleware`` calls: what is added last is
    outermost, and a refused request reaches nothing inside.
    """
    if not isinstance(cast("object", app), Starlette):
        raise TypeError(f"{app!r} is no Starlette or FastAPI application; for others there is synthetic.asgi")
    # Starlette builds its middleware only when the server has started: what is wrong is to stop the program now.
    Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing).open()
    app.add_middleware(
        cast("Any", SyntheticTrafficMiddleware), edge=edge, on_unverified=on_unverified, on_missing=on_missing
    )
    app.add_exception_handler(EffectRefused, cast("Any", refused))
    app.add_exception_handler(UnverifiedMarker, cast("Any", refused))


def marker(request: HTTPConnection) -> Marker | None:
    """Return the marker of a request or websocket; None for a real one. For FastAPI: ``Depends(marker)``."""
    return cast("Marker | None", getattr(request.state, "marker", None))


async def refused(connection: Request | WebSocket, error: Exception) -> Response | None:
    """Answer where a guard refused an effect: a problem document with status 403, or the end of the websocket."""
    answer = problem_of(error)
    if answer is None:
        raise error
    if isinstance(connection, WebSocket):
        await connection.close(1008, answer.reason)
        return None
    return Response(answer.body, answer.status, dict(answer.headers))
