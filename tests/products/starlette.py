"""Starlette: an application with one endpoint, and the reporting application, whose endpoints FastAPI takes as well."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette import applications
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from synthetic_starlette import install
from tests.support import streams
from tests.support.reporting import APPLICATION_HEADERS, JOURNAL

HEADERS = dict(APPLICATION_HEADERS)


def application(path: str, endpoint: Callable[..., Any]) -> applications.Starlette:
    """One with a single endpoint. Its class is looked up here: OpenTelemetry replaces it."""
    app = applications.Starlette()
    app.add_route(path, endpoint)
    return app


def installed(build: Callable[[], Any], *, times: int = 1, **settings: Any) -> Any:
    app = build()
    for _ in range(times):
        install(app, **settings)
    return app


def instrumentor() -> Any:
    from opentelemetry.instrumentation.starlette import StarletteInstrumentor

    return StarletteInstrumentor()


def add_native(app: Any, **options: Any) -> None:
    """Starlette's own telemetry, which it has since 1.7."""
    from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

    app.add_middleware(OpenTelemetryMiddleware, **options)


# The reporting application


def seen_by(request: Request, **more: Any) -> bytes:
    return streams.line(request.headers.getlist("baggage"), **more)


def id_of(request: Request) -> str:
    return request.headers.get("x-id", "")


async def echo(request: Request) -> Response:
    JOURNAL.note(id_of(request), "called")
    return Response(seen_by(request), headers=HEADERS)


def sync(request: Request) -> Response:
    """In Starlette's thread pool."""
    return Response(seen_by(request), headers=HEADERS)


async def body(request: Request) -> Response:
    return Response(seen_by(request, length=len(await request.body())), headers=HEADERS)


async def stream(request: Request) -> Response:
    return StreamingResponse(streams.async_steps(partial(seen_by, request)), headers=HEADERS)


def sync_stream(request: Request) -> Response:
    return StreamingResponse(streams.steps(partial(seen_by, request)), headers=HEADERS)


async def fail(request: Request) -> Response:
    raise RuntimeError("the application fails")


async def fail_late(request: Request) -> Response:
    return StreamingResponse(streams.async_failing_steps(partial(seen_by, request)), headers=HEADERS)


async def after(request: Request) -> Response:
    return Response(seen_by(request), background=BackgroundTask(streams.after, id_of(request)))


async def after_sync(request: Request) -> Response:
    task = BackgroundTask(lambda: JOURNAL.note(id_of(request), "after"))
    return Response(seen_by(request), background=task)


async def events(request: Request) -> Response:
    steps = streams.async_events(partial(seen_by, request), id_of(request))
    return StreamingResponse(steps, headers=HEADERS, media_type="text/event-stream")


ENDPOINTS: list[Callable[..., Any]] = [
    echo, sync, body, stream, sync_stream, fail, fail_late, after, after_sync, events,
]  # fmt: skip


def path_of(endpoint: Callable[..., Any]) -> str:
    return f"/{{entrance}}/{endpoint.__name__.replace('_', '-')}"


def starlette_application() -> applications.Starlette:
    app = applications.Starlette()
    for endpoint in ENDPOINTS:
        app.add_route(path_of(endpoint), endpoint, methods=["GET", "POST"])
    return app
