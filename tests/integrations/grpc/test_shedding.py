"""``shed="auto"`` at gRPC servers: a call keeps its place to its end; at an aio server, until its first response."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Any

import grpc
import pytest

import synthetic
from synthetic import ledger
from synthetic._admission import decision
from synthetic._admission.entrance import Entrance
from synthetic_grpc import AioServerInterceptor, ServerInterceptor
from tests.products.grpc import SERVICE
from tests.products.grpc.clients import call
from tests.products.grpc.servers import aio_server, sync_server
from tests.products.grpc.service import Aio, Sync
from tests.support.markers import marked
from tests.support.servers import wait_until
from tests.support.shedding import places, unhurried

Keys = dict[str, Any]
SHED = grpc.StatusCode.RESOURCE_EXHAUSTED

gate = threading.Event()
begun: Queue[str] = Queue()


@pytest.fixture(autouse=True)
def _unhurried() -> Iterator[None]:
    gate.clear()
    begun.queue.clear()
    with unhurried():
        yield
        gate.set()


class Held(Sync):
    def listed(self, request: bytes, context: Any) -> Any:
        if request == b"fails":
            raise RuntimeError("before the stream begins")
        return super().listed(request, context)

    def unary_unary(self, request: bytes, context: Any) -> bytes:
        if request == b"held":
            begun.put("unary")
            gate.wait(60)
        if request == b"fails":
            raise RuntimeError("in the handler")
        return super().unary_unary(request, context)


class AioHeld(Aio):
    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        if request == b"held":
            import asyncio

            begun.put("unary")
            while not gate.is_set():
                await asyncio.sleep(0.005)
        if request == b"fails":
            raise RuntimeError("in the handler")
        return await super().unary_unary(request, context)


@pytest.fixture(params=["sync", "aio", "twice", "aio twice"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    times = 2 if "twice" in request.param else 1
    if "aio" in request.param:
        with aio_server(*(AioServerInterceptor() for _ in range(times)), servicer=AioHeld()) as port:
            yield port
    else:
        interceptors = [ServerInterceptor() for _ in range(times)]
        with sync_server(*interceptors, servicer=Held(), pool=ThreadPoolExecutor(4)) as port:
            yield port


def test_simulated_calls_have_no_room_beside_one_that_is_handled_and_real_ones_do(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, ledger.recorded() as refused:
        made = channel.unary_unary(f"/{SERVICE}/unary_unary").future(b"held", metadata=marked(keys))
        assert begun.get(timeout=60) == "unary"
        assert places() == 1
        shed = call(port, "unary_unary", marked(keys))
        assert (shed.code, shed.trailing["synthetic-reason"]) == (SHED, "shed")
        assert call(port, "unary_unary").only()["simulated"] is False
        gate.set()
        assert made.result(60)
        wait_until(lambda: not places())
    assert [one.reason and one.reason.value for one in refused] == ["shed"]


@pytest.mark.parametrize("name", ["unary_unary", "unary_stream", "stream_unary", "stream_stream", "listed"])
def test_a_place_is_free_after_every_kind_of_call(port: int, keys: Keys, name: str) -> None:
    synthetic.configure(keys=keys, shed="auto")
    for _ in range(3):
        assert call(port, name, marked(keys)).code is grpc.StatusCode.OK
        wait_until(lambda: not places())


@pytest.mark.parametrize("name", ["unary_unary", "listed", "missing"])
def test_a_place_is_free_after_a_call_that_fails(port: int, keys: Keys, name: str) -> None:
    synthetic.configure(keys=keys, shed="auto")
    for _ in range(3):
        call(port, name, marked(keys), requests=[b"fails"])
        wait_until(lambda: not places())


def test_a_place_is_free_when_the_client_cancels(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for _ in range(2):
            responses = channel.unary_stream(f"/{SERVICE}/endless")(b"", metadata=marked(keys))
            next(responses)
            responses.cancel()
            wait_until(lambda: not places())
        made = channel.unary_unary(f"/{SERVICE}/unary_unary").future(b"held", metadata=marked(keys))
        begun.get(timeout=60)
        made.cancel()
        gate.set()
        wait_until(lambda: not places())


def test_an_aio_stream_that_has_begun_keeps_nobody_out(keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")
    with aio_server(AioServerInterceptor()) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        responses = channel.unary_stream(f"/{SERVICE}/endless")(b"", metadata=marked(keys))
        next(responses)
        assert call(port, "unary_unary", marked(keys)).only()["simulated"] is True
        responses.cancel()


def test_real_calls_run_nothing_of_shedding(port: int, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.configure(keys=keys, shed="auto")

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a real call came here")

    monkeypatch.setattr(decision, "take_place", never)
    monkeypatch.setattr(Entrance, "turn", never)
    for name in ("unary_unary", "unary_stream"):
        assert call(port, name).code is grpc.StatusCode.OK
