"""The middleware, and what it adds to a Starlette or FastAPI application."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

import synthetic.asgi
from synthetic import EffectRefused, Marker, UnverifiedMarker, current
from synthetic.integration import Entrance, OnMissing, OnUnverified
from synthetic_starlette._refusal import refused

__all__ = ["SyntheticTrafficMiddleware", "install", "marker"]


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
        # Not a coroutine, which would cost more than the rest of this call. The verdict is in force already.
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

    The arguments are those of the middleware. Call it after other ``add_middleware`` calls: the middleware that is
    added last is outermost, and a refused request reaches nothing inside it.
    """
    if not isinstance(cast("object", app), Starlette):
        raise TypeError(f"{app!r} is not a Starlette or FastAPI application; for others, use synthetic.asgi")
    # Starlette builds its middleware only when the server has started; a wrong setting stops the program now.
    Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing).open()
    app.add_middleware(
        cast("Any", SyntheticTrafficMiddleware), edge=edge, on_unverified=on_unverified, on_missing=on_missing
    )
    app.add_exception_handler(EffectRefused, cast("Any", refused))
    app.add_exception_handler(UnverifiedMarker, cast("Any", refused))


def marker(request: HTTPConnection) -> Marker | None:
    """Return the marker of a request or websocket; None for a real one. For FastAPI: ``Depends(marker)``."""
    return cast("Marker | None", getattr(request.state, "marker", None))
