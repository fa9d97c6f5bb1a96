"""One server, several entrances: the first segment of the path chooses how the application is protected."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import synthetic
from tests.support.reporting import JOURNAL


def entrances(protect: Callable[..., Any], app: Any) -> dict[str, Any]:
    """``protect(app, **settings)`` gives the application behind a middleware with those settings."""
    return {
        "plain": protect(app),
        "internal": protect(app, edge=False),
        "strict": protect(app, on_missing="refuse"),
        "twice": protect(protect(app)),
    }


def installed_entrances(installed: Callable[..., Any]) -> dict[str, Any]:
    """The same where ``installed(**settings)`` makes an application and installs the integration into it."""
    return {
        "plain": installed(),
        "internal": installed(edge=False),
        "strict": installed(on_missing="refuse"),
        "twice": installed(times=2),
    }


def asgi_entrances(apps: dict[str, Any]) -> Any:
    """The ASGI application with all of ``apps``."""

    async def choose(scope: Any, receive: Any, send: Any) -> None:
        name = scope["path"].split("/")[1] if scope["type"] != "lifespan" else "plain"
        await apps[name](scope, receive, send)

    return choose


def wsgi_entrances(apps: dict[str, Any]) -> Any:
    """The WSGI application with all of ``apps``; it notes the type of each response body."""

    def choose(environ: dict[str, Any], start_response: Any) -> Any:
        name = environ["PATH_INFO"].split("/")[1]
        body = apps[name](environ, start_response)
        JOURNAL.note(environ.get("HTTP_X_ID", ""), "type", type(body).__name__)
        return body

    return choose


def wsgi_control(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """How a test reaches into another process: ``configure`` it, or read its ``journal``."""
    text = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ["PATH_INFO"].endswith("/configure"):
        synthetic.configure(**callables(json.loads(text)))
        answer = {}
    else:
        answer = JOURNAL.of(json.loads(text))
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps(answer).encode()]


def callables(settings: dict[str, Any]) -> dict[str, Any]:
    """``settings`` for ``configure``; ``ready`` and ``shed`` are given as their answers."""
    asked = {name: (lambda answer=settings[name]: answer) for name in ("ready", "shed") if name in settings}
    return {**settings, **asked}
