"""``shed="auto"`` in aiohttp: a request keeps its place until its response starts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
from aiohttp import web
from websockets.sync.client import connect

import synthetic
from synthetic import ledger
from synthetic._admission import decision
from synthetic._admission.entrance import Entrance
from synthetic_aiohttp import install
from tests.products.aiohttp.server import aiohttp_server
from tests.support.markers import marked
from tests.support.servers import wait_until
from tests.support.shedding import places, unhurried
from tests.support.wire import Connection, get, request_bytes

Keys = dict[str, Any]

gate = threading.Event()
begun: Queue[str] = Queue()


@pytest.fixture(autouse=True)
def _unhurried() -> Iterator[None]:
    gate.clear()
    begun.queue.clear()
    with unhurried():
        yield
        gate.set()


async def _wait(request: web.Request) -> None:
    begun.put(request.path)
    while not gate.is_set():
        await asyncio.sleep(0.005)


async def quick(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def held(request: web.Request) -> web.Response:
    await _wait(request)
    return web.Response(text="ok")


async def fails(request: web.Request) -> web.Response:
    raise RuntimeError("in the handler")


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound("/")


async def streams(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await _wait(request)
    return response


async def socket(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse()
    await response.prepare(request)
    await _wait(request)
    return response


def application(times: int = 1) -> web.Application:
    app = web.Application()
    for handler in (held, fails, moved, streams, socket):
        app.router.add_get(f"/{handler.__name__}", handler)
    app.router.add_get("/", quick)
    for _ in range(times):
        install(app)
    return app


@pytest.fixture(scope="module", params=[1, 3])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with aiohttp_server(lambda: application(request.param), handler_cancellation=True) as port:
        yield port


def test_simulated_requests_have_no_room_beside_one_that_is_handled_and_real_ones_do(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with Connection(port) as first, ledger.recorded() as refused:
        first.send(request_bytes("/held", marked(keys)))
        assert begun.get(timeout=60) == "/held"
        shed = get(port, "/", marked(keys))
        assert (shed.status, shed.json()["reason"], shed.values("retry-after")) == (429, "shed", ["5"])
        assert get(port, "/").status == 200
        gate.set()
        assert first.response().status == 200
    wait_until(lambda: not places())
    assert [one.reason and one.reason.value for one in refused] == ["shed"]


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/fails", 500), ("/moved", 302), ("/missing", 404)])
def test_a_place_is_free_after_every_end_of_a_request(port: int, keys: Keys, path: str, status: int) -> None:
    synthetic.configure(keys=keys, shed="auto")
    for _ in range(3):
        assert get(port, path, marked(keys)).status == status
        wait_until(lambda: not places())


def test_a_place_is_free_when_the_client_has_gone(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with Connection(port) as first:
        first.send(request_bytes("/held", marked(keys)))
        assert begun.get(timeout=60) == "/held"
        assert places() == 1
    wait_until(lambda: not places())


def test_a_response_that_has_started_keeps_nobody_out(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with Connection(port) as first:
        first.send(request_bytes("/streams", marked(keys)))
        assert begun.get(timeout=60) == "/streams"
        assert get(port, "/", marked(keys)).status == 200
    with connect(f"ws://127.0.0.1:{port}/socket", additional_headers=marked(keys), proxy=None):
        assert begun.get(timeout=60) == "/socket"
        assert get(port, "/", marked(keys)).status == 200
        gate.set()


def test_real_requests_run_nothing_of_shedding(port: int, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.configure(keys=keys, shed="auto")

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a real request came here")

    monkeypatch.setattr(decision, "take_place", never)
    monkeypatch.setattr(Entrance, "turn", never)
    assert get(port, "/").status == 200
