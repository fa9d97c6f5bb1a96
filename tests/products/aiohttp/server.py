"""aiohttp's server, and the reporting application as somebody would write it with aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from aiohttp import web

from synthetic_aiohttp import install
from tests.support import streams
from tests.support.asyncio_thread import Loop
from tests.support.entrances import installed_entrances
from tests.support.reporting import APPLICATION_HEADERS, EVENTS, JOURNAL

HEADERS = dict(APPLICATION_HEADERS)


@contextmanager
def aiohttp_server(build: Callable[[], web.Application], **options: Any) -> Iterator[int]:
    """Serve an application in a thread; gives the port."""

    async def start() -> web.AppRunner:
        # A marker may stand behind more than the 8190 bytes that aiohttp takes by itself.
        runner = web.AppRunner(build(), access_log=None, max_field_size=32768, shutdown_timeout=1, **options)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    with closing(Loop()) as loop:
        runner = loop.run(start())
        try:
            yield runner.addresses[0][1]
        finally:
            loop.run(runner.cleanup())


def instrumentor() -> Any:
    from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

    return AioHttpServerInstrumentor()


# The reporting application


def seen_by(request: web.Request, **more: Any) -> bytes:
    lines = [
        line.encode("utf-8", "surrogateescape").decode("latin-1") for line in request.headers.getall("baggage", [])
    ]
    return streams.line(lines, **more)


def id_of(request: web.Request) -> str:
    return request.headers.get("x-id", "")


async def streamed(request: web.Request, steps: AsyncIterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    async for step in steps:
        await response.write(step)
    await response.write_eof()
    return response


def steps_of(request: web.Request) -> AsyncIterator[bytes]:
    return streams.async_steps(partial(seen_by, request))


async def echo(request: web.Request) -> web.Response:
    JOURNAL.note(id_of(request), "called")
    return web.Response(body=seen_by(request), headers=HEADERS)


async def body(request: web.Request) -> web.Response:
    return web.Response(body=seen_by(request, length=len(await request.read())), headers=HEADERS)


async def stream(request: web.Request) -> web.StreamResponse:
    return await streamed(request, steps_of(request))


async def generated(request: web.Request) -> web.Response:
    """The steps of the body are made when this has returned."""
    return web.Response(body=steps_of(request), headers=HEADERS)


async def fail(request: web.Request) -> web.Response:
    raise RuntimeError("the application fails")


async def fail_late(request: web.Request) -> web.StreamResponse:
    return await streamed(request, streams.async_failing_steps(partial(seen_by, request)))


async def after(request: web.Request) -> web.StreamResponse:
    response = await streamed(request, steps_of(request))
    await streams.after(id_of(request))
    return response


async def events(request: web.Request) -> web.StreamResponse:
    async def steps() -> AsyncIterator[bytes]:
        for _ in range(EVENTS):
            yield b"data: " + seen_by(request) + b"\n"
            await asyncio.sleep(0.002)

    try:
        return await streamed(request, steps())
    finally:
        JOURNAL.note(id_of(request), "closed")


ENDPOINTS = [echo, body, stream, generated, fail, fail_late, after, events]


def reporting_application() -> web.Application:
    app = web.Application(client_max_size=1_000_000)
    for endpoint in ENDPOINTS:
        app.router.add_route("*", f"/{endpoint.__name__.replace('_', '-')}", endpoint)
    return app


def installed(*, times: int = 1, **settings: Any) -> web.Application:
    app = reporting_application()
    for _ in range(times):
        install(app, **settings)
    return app


def entrances() -> web.Application:
    root = web.Application()
    for name, app in installed_entrances(installed).items():
        root.add_subapp(f"/{name}/", app)
    return root
