"""``shed="auto"`` in Django: in ASGI until the response starts, in WSGI to the end of the work."""

from __future__ import annotations

import asyncio
import gc
import io
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

import synthetic
from synthetic import ledger
from synthetic._admission import decision
from synthetic._admission.entrance import Entrance
from synthetic.asgi import SyntheticTrafficMiddleware as AsgiMiddleware
from synthetic.wsgi import SyntheticTrafficMiddleware as WsgiMiddleware
from tests.products.django import OURS, asgi_application, configure, wsgi_application
from tests.support.markers import marked
from tests.support.servers import uvicorn_server, wait_until, waitress_server
from tests.support.shedding import places, unhurried
from tests.support.wire import Connection, get, request_bytes

Keys = dict[str, Any]

configure()
gate = threading.Event()
begun: Queue[str] = Queue()


@pytest.fixture(autouse=True)
def _unhurried() -> Iterator[None]:
    gate.clear()
    begun.queue.clear()
    with unhurried():
        yield
        gate.set()


def quick(request: Any) -> HttpResponse:
    return HttpResponse("ok")


def held(request: Any) -> HttpResponse:
    begun.put(request.path)
    gate.wait(60)
    return HttpResponse("ok")


async def async_held(request: Any) -> HttpResponse:
    begun.put(request.path)
    while not gate.is_set():
        await asyncio.sleep(0.005)
    return HttpResponse("ok")


def fails(request: Any) -> HttpResponse:
    raise RuntimeError("in the view")


def steps(request: Any) -> StreamingHttpResponse:
    def made() -> Iterator[bytes]:
        yield b"o"
        begun.put(request.path)
        gate.wait(60)
        yield b"k"

    return StreamingHttpResponse(made())


async def async_steps(request: Any) -> StreamingHttpResponse:
    async def made() -> Any:
        yield b"o"
        await async_held(request)
        yield b"k"

    return StreamingHttpResponse(made())


VIEWS = (held, async_held, fails, steps, async_steps)
urlpatterns = [path("", quick), *(path(view.__name__, view) for view in VIEWS)]

SERVERS = {
    "WSGI": lambda: waitress_server(wsgi_application(OURS)),
    "WSGI, inside of another": lambda: waitress_server(WsgiMiddleware(wsgi_application(OURS, OURS))),
    "ASGI": lambda: uvicorn_server(asgi_application(OURS), lifespan="off"),
    "ASGI, inside of another": lambda: uvicorn_server(AsgiMiddleware(asgi_application(OURS, OURS)), lifespan="off"),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    with override_settings(ROOT_URLCONF=__name__), SERVERS[request.param]() as port:
        yield request.param[:4], port


@pytest.mark.parametrize("path", ["/held", "/async_held"])
def test_simulated_requests_have_no_room_beside_one_that_is_handled_and_real_ones_do(
    server: tuple[str, int], keys: Keys, path: str
) -> None:
    _, port = server
    synthetic.configure(keys=keys, shed="auto")
    with Connection(port) as first, ledger.recorded() as refused:
        first.send(request_bytes(path, marked(keys)))
        assert begun.get(timeout=60) == path
        shed = get(port, "/", marked(keys))
        assert (shed.status, shed.json()["reason"], shed.values("retry-after")) == (429, "shed", ["5"])
        gate.set()
        assert first.response().status == 200
    wait_until(lambda: not places())
    assert get(port, "/").status == 200
    assert [one.reason and one.reason.value for one in refused] == ["shed"]


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/fails", 500), ("/missing", 404)])
def test_a_place_is_free_after_every_end_of_a_request(
    server: tuple[str, int], keys: Keys, path: str, status: int
) -> None:
    _, port = server
    synthetic.configure(keys=keys, shed="auto")
    for _ in range(3):
        assert get(port, path, marked(keys)).status == status
        wait_until(lambda: not places())


def test_a_stream_keeps_its_place_in_a_thread_and_gives_it_back_on_a_loop(server: tuple[str, int], keys: Keys) -> None:
    kind, port = server
    synthetic.configure(keys=keys, shed="auto")
    where = "/steps" if kind == "WSGI" else "/async_steps"
    with Connection(port) as first:
        first.send(request_bytes(where, marked(keys)))
        assert begun.get(timeout=60) == where
        assert get(port, "/", marked(keys)).status == (429 if kind == "WSGI" else 200)
        gate.set()
        assert first.response().status == 200
    wait_until(lambda: not places())


def test_a_response_that_no_server_closes_keeps_no_place(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "shop",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "HTTP_BAGGAGE": dict(marked(keys))["baggage"],
    }
    gate.set()
    with override_settings(ROOT_URLCONF=__name__):
        app = wsgi_application(OURS)
        response = app(environ, lambda *args: None)
        assert (response.status_code, places()) == (200, 0)
        response = app({**environ, "PATH_INFO": "/steps"}, lambda *args: None)
        assert (response.status_code, places()) == (200, 1)
        del response
        gc.collect()
        assert places() == 0


def test_real_requests_run_nothing_of_shedding(
    server: tuple[str, int], keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, port = server
    synthetic.configure(keys=keys, shed="auto")

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a real request came here")

    monkeypatch.setattr(decision, "take_place", never)
    monkeypatch.setattr(Entrance, "turn", never)
    assert get(port, "/").status == 200
