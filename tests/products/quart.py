"""Quart: an application with one view, the reporting application as somebody would write it, and Hypercorn."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from quart import Quart, Response, request, stream_with_context

from tests.support.reporting import APPLICATION_HEADERS, EVENTS, JOURNAL, report


def application(rule: str, view: Callable[[], Any]) -> Quart:
    """One with a single view."""
    app = Quart("tests")
    app.add_url_rule(rule, "view", view)
    return app


@contextmanager
def hypercorn_server(app: Any) -> Iterator[int]:
    """Serve an ASGI application with Hypercorn in a thread; gives the port."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    logging.getLogger("hypercorn.error").setLevel(logging.CRITICAL)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 1
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        loop.run_until_complete(serve(app, config, shutdown_trigger=stop.wait))  # type: ignore[arg-type, unused-ignore]
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


# The reporting application


def seen(**more: Any) -> bytes:
    return json.dumps(report(request.headers.getlist("baggage"), **more)).encode() + b"\n"


def id_() -> str:
    return str(request.headers.get("x-id", ""))


async def echo() -> Response:
    JOURNAL.note(id_(), "called")
    return Response(seen(), headers=APPLICATION_HEADERS)


def sync() -> Response:
    """In a thread."""
    return Response(seen(), headers=APPLICATION_HEADERS)


async def body() -> Response:
    return Response(seen(length=len(await request.get_data())), headers=APPLICATION_HEADERS)


async def stream() -> Response:
    @stream_with_context
    async def steps() -> AsyncIterator[bytes]:
        for step in range(3):
            yield seen(step=step)
            await asyncio.sleep(0.001)

    return Response(steps(), headers=APPLICATION_HEADERS)


async def fail() -> Response:
    raise RuntimeError("the application fails")


async def fail_late() -> Response:
    @stream_with_context
    async def steps() -> AsyncIterator[bytes]:
        yield seen()
        raise RuntimeError("the application fails while it streams")

    return Response(steps(), headers=APPLICATION_HEADERS)


async def after() -> Response:
    name = id_()

    async def work() -> None:
        await asyncio.sleep(0.001)
        JOURNAL.note(name, "after")

    APP.add_background_task(work)
    return Response(seen())


async def events() -> Response:
    name = id_()

    @stream_with_context
    async def steps() -> AsyncIterator[bytes]:
        try:
            for _ in range(EVENTS):
                yield b"data: " + seen() + b"\n"
                await asyncio.sleep(0.002)
        finally:
            JOURNAL.note(name, "closed")

    response = Response(steps(), headers=APPLICATION_HEADERS, mimetype="text/event-stream")
    response.timeout = None
    return response


VIEWS: list[Callable[..., Any]] = [echo, sync, body, stream, fail, fail_late, after, events]
APP = Quart("reporting")
APP.logger.setLevel(logging.CRITICAL)  # it fails on purpose
for view in VIEWS:
    APP.add_url_rule(f"/<entrance>/{view.__name__.replace('_', '-')}", view.__name__, view, methods=["GET", "POST"])


@APP.url_value_preprocessor
def leave_out_the_entrance(endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values:
        del values["entrance"]
