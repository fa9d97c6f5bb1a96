"""Litestar: an application with one handler, and the reporting application as somebody would write it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, route
from litestar.background_tasks import BackgroundTask
from litestar.response import Stream

from tests.support.reporting import APPLICATION_HEADERS, EVENTS, JOURNAL, report

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
    return json.dumps(report(request.headers.getall("baggage", []), **more)).encode() + b"\n"


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
    async def steps() -> AsyncIterator[bytes]:
        for step in range(3):
            yield seen(request, step=step)
            await asyncio.sleep(0.001)

    return Stream(steps(), headers=HEADERS)


@get("/{entrance:str}/fail")
async def fail() -> None:
    raise RuntimeError("the application fails")


@get("/{entrance:str}/fail-late")
async def fail_late(request: Request[Any, Any, Any]) -> Stream:
    async def steps() -> AsyncIterator[bytes]:
        yield seen(request)
        raise RuntimeError("the application fails while it streams")

    return Stream(steps(), headers=HEADERS)


@get("/{entrance:str}/after")
async def after(request: Request[Any, Any, Any]) -> Response[bytes]:
    async def work() -> None:
        await asyncio.sleep(0.001)
        JOURNAL.note(id_of(request), "after")

    return Response(seen(request), background=BackgroundTask(work), media_type=MediaType.JSON)


@get("/{entrance:str}/events")
async def events(request: Request[Any, Any, Any]) -> Stream:
    async def steps() -> AsyncIterator[bytes]:
        try:
            for _ in range(EVENTS):
                yield b"data: " + seen(request) + b"\n"
                await asyncio.sleep(0.002)
        finally:
            JOURNAL.note(id_of(request), "closed")

    return Stream(steps(), headers=HEADERS, media_type="text/event-stream")


HANDLERS: list[Any] = [echo, sync, body, stream, fail, fail_late, after, events]


def application(*middleware: Any) -> Litestar:
    return Litestar(HANDLERS, middleware=middleware, openapi_config=None, logging_config=None)
