"""Incoming requests to each framework, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from typing import Any

from opentelemetry import trace

import synthetic.asgi
import synthetic.wsgi
from tests.matrix.cases import Hop, answered, seen
from tests.support.servers import uvicorn_server, waitress_server

_on: set[str] = set()
"""The names of the telemetry to add when an application is built."""


def _switch(name: str) -> Callable[[], None]:
    return lambda: _on.add(name)


def sdk() -> None:
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())


# The bare middleware


def _asgi() -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": seen().encode()})

    return _around_asgi(app)


def _around_asgi(app: Any) -> Any:
    if "asgi" in _on:
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

        app = OpenTelemetryMiddleware(app)
    return synthetic.asgi.SyntheticTrafficMiddleware(app)


def _wsgi() -> Any:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield seen().encode()

    if "wsgi" in _on:
        from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

        return synthetic.wsgi.SyntheticTrafficMiddleware(OpenTelemetryMiddleware(app))
    return synthetic.wsgi.SyntheticTrafficMiddleware(app)


def _litestar() -> Any:
    from tests.products.litestar import one_handler

    return _around_asgi(one_handler("/", seen, native="litestar" in _on))


def _quart() -> Any:
    from tests.products.quart import application

    return _around_asgi(application("/", _view))


async def _view() -> str:
    return seen()


# Starlette, FastAPI and Flask


def _starlette() -> Any:
    from synthetic_starlette import install
    from tests.products import starlette

    app = starlette.application("/", _starlette_view)
    if "starlette" in _on:
        starlette.add_native(app)
    install(app)
    return app


async def _starlette_view(request: Any) -> Any:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(seen())


def _starlette_native() -> None:
    sdk()
    _on.add("starlette")


def _fastapi() -> Any:
    from synthetic_starlette import install
    from tests.products import fastapi

    install(app := fastapi.application("/", _view))
    return app


def _flask() -> Any:
    from flask import Response

    from synthetic_flask import install
    from tests.products import flask

    install(app := flask.application("/", lambda: Response(_step())))
    return app


def _step() -> Iterator[str]:
    yield seen()


def _contrib(product: str) -> Callable[[], None]:
    def switch_on() -> None:
        sdk()
        import_module(f"tests.products.{product}").instrumentor().instrument()

    return switch_on


def hop(
    name: str,
    product: str,
    build: Callable[[], Any],
    server: Callable[[Any], AbstractContextManager[int]],
    path: str = "/",
    **telemetry: Callable[[], None],
) -> Hop:
    return Hop(name, product, partial(answered, path=path), telemetry, lambda: server(build()))


def uvicorn(app: Any) -> AbstractContextManager[int]:
    return uvicorn_server(app, http="h11", lifespan="off")


HOPS: list[Hop] = [
    hop("ASGI", "asgi", _asgi, uvicorn, contrib=_switch("asgi")),
    hop("WSGI", "wsgi", _wsgi, waitress_server, contrib=_switch("wsgi")),
    hop("Starlette", "starlette", _starlette, uvicorn, contrib=_contrib("starlette"), native=_starlette_native),
    hop("FastAPI", "fastapi", _fastapi, uvicorn, contrib=_contrib("fastapi"), native=sdk),
    hop("Litestar", "asgi", _litestar, uvicorn, contrib=_switch("asgi"), native=_switch("litestar")),
    hop("Quart", "asgi", _quart, uvicorn, contrib=_switch("asgi")),
    hop("Flask, streamed", "flask", _flask, waitress_server, contrib=_contrib("flask")),
]
