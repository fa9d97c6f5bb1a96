"""An ASGI application with our middleware and OpenTelemetry's, in each order in which they occur together."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util.http import ExcludeList
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from synthetic.asgi import SyntheticTrafficMiddleware as Ours
from tests.support.reporting import report

PROVIDER = TracerProvider()

Arrangement = Callable[[], Any]


async def endpoint(request: Request) -> JSONResponse:
    length = len(await request.body())
    return JSONResponse(report(request.headers.getlist("baggage"), length=length))


def starlette_app() -> Any:
    app = Starlette()
    app.add_route("/{path:path}", endpoint, methods=["GET", "POST"])
    return app


def fastapi_app(*, native: bool = False) -> Any:
    from fastapi import FastAPI

    app = FastAPI(telemetry={"tracer_provider": PROVIDER} if native else {})
    app.add_route("/{path:path}", endpoint, methods=["GET", "POST"])
    return app


def otel(app: Any, **options: Any) -> Any:
    return OpenTelemetryMiddleware(app, tracer_provider=PROVIDER, **options)


def starlette_native(app: Any) -> Any:
    from starlette.middleware.opentelemetry import OpenTelemetryMiddleware as Native

    return Native(app, tracer_provider=PROVIDER)


def spanned(app: Any) -> Any:
    """Someone's middleware that has a span of its own around the request."""

    async def within(scope: Any, receive: Any, send: Any) -> None:
        with PROVIDER.get_tracer("outer").start_as_current_span("outer"):
            await app(scope, receive, send)

    return within


def with_ours(app: Any) -> Any:
    app.add_middleware(Ours)
    return app


def instrumented(instrumentor: Any, app: Any) -> Any:
    instrumentor.instrument_app(app, tracer_provider=PROVIDER)
    return app


ARRANGEMENTS: dict[str, Arrangement] = {
    "ours alone": lambda: Ours(starlette_app()),
    "ours, OpenTelemetry": lambda: Ours(otel(starlette_app())),
    "OpenTelemetry, ours": lambda: otel(Ours(starlette_app())),
    "ours, OpenTelemetry, ours": lambda: Ours(otel(Ours(starlette_app()))),
    "OpenTelemetry that excludes all, ours": lambda: otel(Ours(starlette_app()), excluded_urls=ExcludeList([".*"])),
    "span, ours, OpenTelemetry": lambda: spanned(Ours(otel(starlette_app()))),
    "ours, span, OpenTelemetry": lambda: Ours(spanned(otel(starlette_app()))),
    "Starlette's instrumentor, then add_middleware": lambda: with_ours(
        instrumented(StarletteInstrumentor, starlette_app())
    ),
    "add_middleware, then Starlette's instrumentor": lambda: instrumented(
        StarletteInstrumentor, with_ours(starlette_app())
    ),
    "FastAPI's instrumentor, then add_middleware": lambda: with_ours(instrumented(FastAPIInstrumentor, fastapi_app())),
    "add_middleware, then FastAPI's instrumentor": lambda: instrumented(FastAPIInstrumentor, with_ours(fastapi_app())),
    "ours, FastAPI's instrumentor": lambda: Ours(instrumented(FastAPIInstrumentor, fastapi_app())),
}

if find_spec("starlette.middleware.opentelemetry"):
    ARRANGEMENTS |= {
        "ours, Starlette's own": lambda: Ours(starlette_native(starlette_app())),
        "Starlette's own, ours": lambda: starlette_native(Ours(starlette_app())),
    }

if find_spec("fastapi.telemetry"):
    ARRANGEMENTS |= {
        "ours, FastAPI's own": lambda: Ours(fastapi_app(native=True)),
        "FastAPI's own, ours": lambda: with_ours(fastapi_app(native=True)),
        "OpenTelemetry, FastAPI's own, ours": lambda: otel(with_ours(fastapi_app(native=True))),
        "ours, OpenTelemetry, FastAPI's own": lambda: Ours(otel(fastapi_app(native=True))),
    }
