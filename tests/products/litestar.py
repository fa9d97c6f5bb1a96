"""Litestar: an application with one handler, and the reporting application as somebody would write it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, route
from litestar.background_tasks import BackgroundTask
from litestar.response import Stream

from tests.support import streams
from tests.support.reporting import APPLICATION_HEADERS, JOURNAL

HEADERS = dict(APPLICATION_HEADERS)


def one_handler(path: str, view: Callable[[], Any], *, native: bool = False) -> Litestar:
    """An application with a single handler; ``native`` adds the telemetry that Litestar has."""
    from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin

    @get(path)
    async def handler() -> str:
        return str(view())

    plugins = [OpenTelemetryPlugin(OpenTelemetryConfig())] if native else []
    return Litestar([handler], openapi_config=None, plugins=plugins)


# The reporting application


def seen(request: Any, **more: Any) -> bytes:
    return streams.line(request.headers.getall("baggage", []), **more)


def id_of(request: Any) -> str:
    return str(request.headers.get("x-id", ""))


# Litestar routes a request before it goes through its middleware: a method that no handler has never gets there.
@route("/{entrance:str}/echo", http_method=["GET", "HEAD"])
async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
    JOURNAL.note(id_of(request), "called")
    return Response(seen(request), headers=HEADERS, media_type=MediaType.JSON)


@get("/{entrance:str}/sync", sync_to_thread=True)
def sync(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(seen(request), headers=HEADERS, media_type=MediaType.JSON)


@route("/{entrance:str}/body", http_method=["POST"])
async def body(request: Request[Any, Any, Any]) -> Response[bytes]:
    length = len(await request.body())
    return Response(seen(request, length=length), headers=HEADERS, media_type=MediaType.JSON)


@get("/{entrance:str}/stream")
async def stream(request: Request[Any, Any, Any]) -> Stream:
    return Stream(streams.async_steps(partial(seen, request)), headers=HEADERS)


@get("/{entrance:str}/fail")
async def fail() -> None:
    raise RuntimeError("the application fails")


@get("/{entrance:str}/fail-late")
async def fail_late(request: Request[Any, Any, Any]) -> Stream:
    return Stream(streams.async_failing_steps(partial(seen, request)), headers=HEADERS)


@get("/{entrance:str}/after")
async def after(request: Request[Any, Any, Any]) -> Response[bytes]:
    work = BackgroundTask(streams.after, id_of(request))
    return Response(seen(request), background=work, media_type=MediaType.JSON)


@get("/{entrance:str}/events")
async def events(request: Request[Any, Any, Any]) -> Stream:
    steps = streams.async_events(partial(seen, request), id_of(request))
    return Stream(steps, headers=HEADERS, media_type="text/event-stream")


HANDLERS: list[Any] = [echo, sync, body, stream, fail, fail_late, after, events]


def application(*middleware: Any) -> Litestar:
    return Litestar(HANDLERS, middleware=middleware, openapi_config=None, logging_config=None)
