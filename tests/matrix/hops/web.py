"""Incoming requests to each framework, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from opentelemetry import trace

import synthetic.asgi
import synthetic.wsgi
from tests.matrix.cases import Case, Hop, seen
from tests.support.servers import uvicorn_server, waitress_server
from tests.support.wire import get

_on: set[str] = set()
"""The names of the telemetry to add when an application is built."""


def _switch(name: str) -> Callable[[], None]:
    return lambda: _on.add(name)


def _pass_on(path: str, case: Case, port: int) -> str:
    response = get(port, path, [("baggage", value) for value in case.headers()])
    if response.status == 403:
        return "refused"
    assert response.status == 200, response
    return response.body.decode()


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
    from litestar import Litestar
    from litestar import get as handler
    from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin

    @handler("/")
    async def view() -> str:
        return seen()

    plugins = [OpenTelemetryPlugin(OpenTelemetryConfig())] if "litestar" in _on else []
    return _around_asgi(Litestar([view], openapi_config=None, plugins=plugins))


def _quart() -> Any:
    from quart import Quart

    app = Quart("matrix")
    app.add_url_rule("/", "view", _view)
    return _around_asgi(app)


async def _view() -> str:
    return seen()


# Starlette and FastAPI


def _starlette() -> Any:
    from starlette import applications

    import synthetic_starlette

    app = applications.Starlette()
    app.add_route("/", _starlette_view)
    if "starlette" in _on:
        from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

        app.add_middleware(OpenTelemetryMiddleware)
    synthetic_starlette.install(app)
    return app


async def _starlette_view(request: Any) -> Any:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(seen())


def _starlette_contrib() -> None:
    from opentelemetry.instrumentation.starlette import StarletteInstrumentor

    sdk()
    StarletteInstrumentor().instrument()


def _starlette_native() -> None:
    sdk()
    _on.add("starlette")


def _fastapi() -> Any:
    import fastapi
    from fastapi.responses import PlainTextResponse

    import synthetic_starlette

    app = fastapi.FastAPI()
    app.add_api_route("/", _view, response_class=PlainTextResponse)
    synthetic_starlette.install(app)
    return app


def _fastapi_contrib() -> None:
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    sdk()
    FastAPIInstrumentor().instrument()


# Flask


def _flask() -> Any:
    import flask

    import synthetic_flask

    app = flask.Flask("matrix")
    app.add_url_rule("/", "view", lambda: flask.Response(_step()))
    synthetic_flask.install(app)
    return app


def _step() -> Iterator[str]:
    yield seen()


def _flask_contrib() -> None:
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    sdk()
    FlaskInstrumentor().instrument()


def hop(
    name: str,
    product: str,
    build: Callable[[], Any],
    server: Callable[[Any], AbstractContextManager[int]],
    path: str = "/",
    **telemetry: Callable[[], None],
) -> Hop:
    return Hop(name, product, partial(_pass_on, path), telemetry, lambda: server(build()))


def uvicorn(app: Any) -> AbstractContextManager[int]:
    return uvicorn_server(app, http="h11", lifespan="off")


HOPS: list[Hop] = [
    hop("ASGI", "asgi", _asgi, uvicorn, contrib=_switch("asgi")),
    hop("WSGI", "wsgi", _wsgi, waitress_server, contrib=_switch("wsgi")),
    hop("Starlette", "starlette", _starlette, uvicorn, contrib=_starlette_contrib, native=_starlette_native),
    hop("FastAPI", "fastapi", _fastapi, uvicorn, contrib=_fastapi_contrib, native=sdk),
    hop("Litestar", "asgi", _litestar, uvicorn, contrib=_switch("asgi"), native=_switch("litestar")),
    hop("Quart", "asgi", _quart, uvicorn, contrib=_switch("asgi")),
    hop("Flask, streamed", "flask", _flask, waitress_server, contrib=_flask_contrib),
]
