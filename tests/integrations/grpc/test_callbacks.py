"""Callbacks of calls and channels run under the verdict of the code that registers them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import grpc
import grpc.aio
import pytest

import synthetic
from synthetic_grpc import ClientInterceptor, aio_client_interceptors
from tests.support.servers import wait_until
from tests.support.switches import instrumented

VERDICTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "simulated": lambda: synthetic.simulated(run="r"),
    "real": synthetic.real,
}
ORDERS = [("simulated", "real"), ("real", "simulated"), ("simulated", "simulated")]


def verdict() -> str:
    return "simulated" if synthetic.is_synthetic() else "real"


class Held:
    """A server whose method ``slow`` answers when the test releases it."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(4))
        handlers = {
            "m": grpc.unary_unary_rpc_method_handler(self._answer),
            "s": grpc.unary_stream_rpc_method_handler(lambda request, context: iter([self._answer(request, context)])),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s.S", handlers),))
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _answer(self, request: bytes, context: Any) -> bytes:
        assert request != b"slow" or self.release.wait(60)
        return b""

    def stop(self) -> None:
        self.release.set()
        self._server.stop(0).wait()


@pytest.fixture
def held(configuration: None, keys: dict[str, Any]) -> Iterator[Held]:
    synthetic.configure(keys=keys)
    held = Held()
    yield held
    held.stop()


@pytest.fixture(params=["instrumented", "interceptor"])
def channel(request: pytest.FixtureRequest, held: Held) -> Iterator[Any]:
    if request.param == "instrumented":
        with instrumented("grpc"), grpc.insecure_channel(held.target) as channel:
            yield channel
    else:
        with grpc.insecure_channel(held.target) as channel:
            yield grpc.intercept_channel(channel, ClientInterceptor(held.target))


@pytest.mark.parametrize(("first", "second"), ORDERS)
@pytest.mark.parametrize("how", ["future", "stream", "add_callback"])
def test_a_callback_belongs_to_its_own_call_and_not_to_the_call_that_started_the_channels_thread(
    channel: Any, held: Held, first: str, second: str, how: str
) -> None:
    seen: list[str] = []
    is_done = threading.Event()
    call = channel.unary_unary("/s.S/m")

    def note(*_: Any) -> None:
        try:
            seen.append(verdict())
        except synthetic.UnverifiedMarker as error:
            seen.append(error.reason.value)
        is_done.set()

    with VERDICTS[first]():
        slow = call.future(b"slow")  # starts the channel's thread, and keeps it
    with VERDICTS[second]():
        quick = channel.unary_stream("/s.S/s")(b"") if how == "stream" else call.future(b"slow")
        (quick.add_callback if how == "add_callback" else quick.add_done_callback)(note)
        if how == "stream":
            list(quick)
    held.release.set()
    quick.result()
    slow.result()
    assert is_done.wait(60)
    assert seen == [second]


def test_a_callback_of_a_call_that_has_ended_runs_at_once(channel: Any) -> None:
    seen: list[str] = []
    with synthetic.simulated(run="r"):
        call = channel.unary_unary("/s.S/m").future(b"")
        call.result()
        call.add_done_callback(lambda _: seen.append(verdict()))
    assert seen == ["simulated"]


@pytest.mark.parametrize(("first", "second"), ORDERS)
def test_a_subscriber_of_a_channel_has_the_verdict_of_the_code_that_subscribed_it(
    held: Held, first: str, second: str
) -> None:
    seen: dict[str, set[str]] = {"first": set(), "second": set()}
    are_ready = {"first": threading.Event(), "second": threading.Event()}

    def subscriber(name: str) -> Callable[[grpc.ChannelConnectivity], None]:
        def note(state: grpc.ChannelConnectivity) -> None:
            seen[name].add(verdict())
            if state is grpc.ChannelConnectivity.READY:
                are_ready[name].set()

        return note

    with instrumented("grpc"), grpc.insecure_channel(held.target) as channel:
        with VERDICTS[first]():
            channel.subscribe(subscriber("first"), try_to_connect=True)
        assert are_ready["first"].wait(60)
        with VERDICTS[second]():
            channel.subscribe(subscriber("second"))
        assert are_ready["second"].wait(60)
    assert seen == {"first": {first}, "second": {second}}


def test_a_subscriber_is_found_when_it_unsubscribes(held: Held) -> None:
    class Subscriber:
        def note(self, state: grpc.ChannelConnectivity) -> None:
            """Take note of nothing."""

    with instrumented("grpc"), grpc.insecure_channel(held.target) as channel:
        subscriber = Subscriber()
        channel.subscribe(subscriber.note)
        state: Any = channel._connectivity_state  # type: ignore[attr-defined]
        assert subscriber.note == state.callbacks_and_connectivities[0][0]
        channel.unsubscribe(subscriber.note)
        assert not state.callbacks_and_connectivities
        wait_until(lambda: not state.polling)  # grpc's thread fails on a channel that is closed meanwhile


def test_a_callback_of_a_ready_channel_has_the_verdict_of_the_code_that_registered_it(held: Held) -> None:
    seen: list[str] = []
    is_done = threading.Event()
    with instrumented("grpc"), grpc.insecure_channel(held.target) as channel:
        with synthetic.simulated(run="r"):
            ready = grpc.channel_ready_future(channel)
        with synthetic.real():
            ready.add_done_callback(lambda _: (seen.append(verdict()), is_done.set()))
        ready.result(60)
        assert is_done.wait(60)
    assert seen == ["real"]


@pytest.mark.parametrize("is_intercepted", [False, True])
def test_a_callback_of_an_aio_call_runs_although_its_work_has_ended(held: Held, is_intercepted: bool) -> None:
    async def run() -> list[str]:
        seen: list[str] = []
        interceptors = aio_client_interceptors(held.target) if is_intercepted else None
        async with grpc.aio.insecure_channel(held.target, interceptors=interceptors) as channel:
            is_done = asyncio.Event()
            with synthetic.simulated(run="r"):
                call: Any = channel.unary_unary("/s.S/m")(b"slow")
                call.add_done_callback(lambda _: (seen.append(verdict()), is_done.set()))
                await asyncio.sleep(0)
            with synthetic.real():
                held.release.set()
                await call
                await asyncio.wait_for(is_done.wait(), 60)
        return seen

    with instrumented("grpc"):
        assert asyncio.run(run()) == ["simulated"]


def test_other_code_may_register_a_callback_of_an_aio_call(held: Held) -> None:
    async def run() -> list[str]:
        seen: list[str] = []
        async with grpc.aio.insecure_channel(held.target) as channel:
            is_done = asyncio.Event()
            with synthetic.simulated(run="r"):
                call: Any = channel.unary_unary("/s.S/m")(b"slow")
            with synthetic.real():
                call.add_done_callback(lambda _: (seen.append(verdict()), is_done.set()))
                held.release.set()
                await call
                await asyncio.wait_for(is_done.wait(), 60)
        return seen

    with instrumented("grpc"):
        assert asyncio.run(run()) == ["real"]
