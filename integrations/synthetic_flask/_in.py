"""The middleware around a Flask application, and the marker in its views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, request

from synthetic import EffectRefused, Marker, UnverifiedMarker, current
from synthetic.errors import ConfigurationError
from synthetic.integration import OnMissing, OnUnverified
from synthetic.wsgi import SyntheticTrafficMiddleware
from synthetic_flask._refusal import refused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["install", "marker"]

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

    The arguments are those of ``synthetic.wsgi.SyntheticTrafficMiddleware``. A second call with the same arguments
    changes nothing; one with others raises ConfigurationError.
    """
    if not isinstance(cast("object", app), Flask):
        raise TypeError(f"{app!r} is not a Flask application; for others, use synthetic.wsgi")
    settings: dict[str, Any] = {"edge": edge, "on_unverified": on_unverified, "on_missing": on_missing}
    installed = app.extensions.get(_EXTENSION, settings)
    if installed != settings:
        raise ConfigurationError(f"synthetic_flask is already installed on {app!r}, with {installed}. Install it once.")
    if _EXTENSION in app.extensions:
        return
    owner = cast("Any", app)
    owner.wsgi_app = SyntheticTrafficMiddleware(_with_marker(app.wsgi_app), **settings)
    if (original := getattr(app, "_original_wsgi_app", None)) is not None:
        # OpenTelemetry's instrumentation is on, and restores this when it is switched off.
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
    """Return the marker of the current request; None for a real one. Raises RuntimeError outside a request."""
    return cast("Marker | None", request.environ.get(_MARKER))
