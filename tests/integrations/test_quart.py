"""Quart behind the bare ASGI middleware, on uvicorn and on Hypercorn."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request, stream_with_context, websocket

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.integration import problem_of
from tests.contract.lifetime import LifetimeContract, PersistentContract
from tests.support.entrances import asgi_entrances
from tests.support.handles import Server
from tests.support.markers import marked
from tests.support.reporting import APPLICATION_HEADERS, EVENTS, JOURNAL, report
from tests.support.servers import uvicorn_server

Keys = dict[str, Any]


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


def entrances() -> Any:
    protected = SyntheticTrafficMiddleware(APP)
    return asgi_entrances(
        {
            "plain": protected,
            "internal": SyntheticTrafficMiddleware(APP, edge=False),
            "strict": SyntheticTrafficMiddleware(APP, on_missing="refuse"),
            "twice": SyntheticTrafficMiddleware(protected),
        }
    )


@contextmanager
def hypercorn_server(app: Any) -> Iterator[int]:
    """Serve an ASGI application with Hypercorn in a thread; gives the port."""
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


class QuartContract(LifetimeContract):
    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_view_in_a_thread_sees_the_verdict(self, server: Server, keys: Keys, simulated: bool) -> None:
        server.configure(keys=keys)
        seen = self.call(server, "/plain/sync", marked(keys) if simulated else ()).json()
        assert (seen["simulated"], seen["explicit"]) == (simulated, True)


class TestUvicorn(QuartContract, PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with uvicorn_server(entrances(), http="h11") as port:
            yield Server(port)


class TestHypercorn(QuartContract, PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with hypercorn_server(entrances()) as port:
            yield Server(port)


# The idiom of Quart, and effects that are refused


@synthetic.guard("payment")
def charge() -> None:
    raise AssertionError("charged")


async def refused(error: Exception) -> Response:
    answer = problem_of(error)
    assert answer is not None
    return Response(answer.body, answer.status, headers=dict(answer.headers))


def rides() -> Quart:
    app = Quart("rides")
    app.asgi_app = SyntheticTrafficMiddleware(app.asgi_app)  # type: ignore[method-assign, unused-ignore]
    app.register_error_handler(synthetic.EffectRefused, refused)

    @app.post("/book")
    async def book() -> str:
        charge()
        return "booked"

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send_json({"run": getattr(synthetic.current(), "run", None)})

    return app


def test_an_effect_that_is_refused_is_a_403_where_the_application_says_so(keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})

    async def call() -> tuple[int, Any, str]:
        response = await rides().test_client().post("/book", headers=dict(marked(keys)))
        return response.status_code, (await response.get_json())["effect"], response.headers["cache-control"]

    assert asyncio.run(call()) == (403, "payment", "private, no-store")


@pytest.mark.parametrize("run", ["peak", None])
def test_a_websocket_has_the_verdict(keys: Keys, run: str | None) -> None:
    synthetic.configure(keys=keys)

    async def call() -> Any:
        headers = dict(marked(keys, run=run)) if run else {}
        async with rides().test_client().websocket("/ws", headers=headers) as connection:  # type: ignore[arg-type, unused-ignore]
            return await connection.receive_json()

    assert asyncio.run(call()) == {"run": run}
