"""What Flask applications expect beyond the bare middleware.

``install(app)`` does all of it: admission, ``marker()`` in views, and a problem response where a guard refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, request

from synthetic import EffectRefused, Marker, UnverifiedMarker, current
from synthetic._config import OnMissing, OnUnverified
from synthetic._http import problem_of
from synthetic.errors import ConfigurationError
from synthetic.wsgi import SyntheticTrafficMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["install", "marker", "refused"]

_EXTENSION = "synthetic_flask"
_MARKER = "synthetic.marker"


def install(
    app: Flask,
    *,
    edge: bool | None = None,
    on_unverified: OnUnverified | None = None,
    on_missing: OnMissing | None = None,
) -> None:
    """Put the middleware around ``app.wsgi_app``, and add the error handlers that the application does not have.

    The arguments are those of ``synthetic.wsgi.SyntheticTrafficMiddleware``. Installed twice is installed once; with
    other arguments the second time, ConfigurationError.
    """
    if not isinstance(cast("object", app), Flask):
        raise TypeError(f"{app!r} is no Flask application; for others there is synthetic.wsgi")
    settings: dict[str, Any] = {"edge": edge, "on_unverified": on_unverified, "on_missing": on_missing}
    installed = app.extensions.get(_EXTENSION, settings)
    if installed != settings:
        raise ConfigurationError(f"synthetic_flask is installed on {app!r} already, with {installed}. Install it once.")
    if _EXTENSION in app.extensions:
        return
    owner = cast("Any", app)
    owner.wsgi_app = SyntheticTrafficMiddleware(_with_marker(app.wsgi_app), **settings)
    if (original := getattr(app, "_original_wsgi_app", None)) is not None:
        # OpenTelemetry's instrumentation is on, and puts this back when it is taken off.
        owner._original_wsgi_app = SyntheticTrafficMiddleware(_with_marker(original), **settings)
    app.extensions[_EXTENSION] = settings
    handlers = app.error_handler_spec[None][None]
    handlers.setdefault(EffectRefused, refused)
    handlers.setdefault(UnverifiedMarker, refused)


def _with_marker(app: WSGIApplication) -> WSGIApplication:
    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[_MARKER] = current()  # the verdict is in force already
        return app(environ, start_response)

    return call


def marker() -> Marker | None:
    """Return the marker of the request at hand; None for a real one. Raises RuntimeError where there is no request."""
    return cast("Marker | None", request.environ.get(_MARKER))


def refused(error: Exception) -> Response:
    """Answer where a guard refused an effect: a problem document with status 403. Any other error is raised again."""
    answer = problem_of(error)
    if answer is None:
        raise error
    return Response(answer.body, answer.status, list(answer.headers))
