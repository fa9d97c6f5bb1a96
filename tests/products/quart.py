"""Quart: an application with one view, the reporting application as somebody would write it, and Hypercorn."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from quart import Quart, Response, request, stream_with_context

from tests.support import streams
from tests.support.reporting import APPLICATION_HEADERS, JOURNAL
from tests.support.servers import KEPT


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
    config.keep_alive_timeout = KEPT
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
    return streams.line(request.headers.getlist("baggage"), **more)


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
    return Response(stream_with_context(streams.async_steps)(seen), headers=APPLICATION_HEADERS)


async def fail() -> Response:
    raise RuntimeError("the application fails")


async def fail_late() -> Response:
    return Response(stream_with_context(streams.async_failing_steps)(seen), headers=APPLICATION_HEADERS)


async def after() -> Response:
    APP.add_background_task(streams.after, id_())
    return Response(seen())


async def events() -> Response:
    steps = stream_with_context(streams.async_events)(seen, id_())
    response = Response(steps, headers=APPLICATION_HEADERS, mimetype="text/event-stream")
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
