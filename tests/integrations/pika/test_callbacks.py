"""pika: callbacks that are handed over to a connection's loop keep the verdict of the code that does so."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.callback import CallbackManager

import synthetic
from synthetic._work.state import current_verdict
from tests.contract.messages import eventually
from tests.integrations.pika.test_consuming import Asynchronous
from tests.products.pika import turn
from tests.products.rabbitmq import Queue
from tests.support.work import FORGED, PEAK, REAL, in_force

HANDED_OVER = ("call_later", "add_callback_threadsafe")


def hand_over(loop: Any, how: str, callback: Callable[[], Any]) -> None:
    loop.call_later(0, callback) if how == "call_later" else getattr(loop, how)(callback)


@pytest.mark.parametrize("how", HANDED_OVER)
def test_what_a_callback_hands_over_to_a_blocking_connection_is_done_under_its_verdict(
    channel: BlockingChannel, queue: Queue, good: str, how: str
) -> None:
    connection = channel.connection
    seen: list[Any] = []

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        publish = functools.partial(channel.basic_publish, "", queue.dead, b"after " + body)
        hand_over(connection, how, publish)
        hand_over(connection, how, lambda: seen.append(in_force()))
        channel.basic_ack(method.delivery_tag)

    queue.put("one", good)
    queue.put("two", None)
    channel.basic_consume(queue.name, handle)
    turn(channel, until=lambda: len(seen) == 2)
    assert seen == [PEAK, REAL]
    assert queue.dead_letter("after one").headers["baggage"] == good
    assert (queue.dead_letter("after two").headers or {}).get("baggage") is None
    assert current_verdict() is None


def test_a_thread_of_a_simulated_callback_publishes_over_the_connection_with_its_marker(
    channel: BlockingChannel, queue: Queue, good: str
) -> None:
    connection = channel.connection

    def work() -> None:
        connection.add_callback_threadsafe(functools.partial(channel.basic_publish, "", queue.dead, b"threadsafe"))

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        thread = threading.Thread(target=synthetic.carry(work))
        thread.start()
        thread.join()
        channel.basic_ack(method.delivery_tag)

    queue.put("one", good)
    channel.basic_consume(queue.name, handle)
    turn(channel, until=lambda: queue.has_dead_letter("threadsafe"))
    assert queue.dead_letter("threadsafe").headers["baggage"] == good


def test_what_is_handed_over_without_a_verdict_has_none(channel: BlockingChannel) -> None:
    seen: list[Any] = []
    channel.connection.call_later(0, lambda: seen.append(current_verdict()))
    with synthetic.simulated(run="outer"):
        turn(channel, until=lambda: seen)
    assert seen == [None]


@pytest.fixture
def loop(rabbitmq_port: int) -> Iterator[Any]:
    """pika's own loop, in a thread that simulated work has started, and a channel on it."""
    channels: list[Any] = []
    with synthetic.simulated(run="outer"):
        consumer = Asynchronous(rabbitmq_port, channels.append)
        assert consumer.ready.wait(60)
    yield consumer.connection.ioloop, channels[0]
    consumer.close()


@pytest.mark.parametrize("how", [*HANDED_OVER, "add_callback"])
def test_what_is_handed_over_to_pikas_own_loop_is_done_under_the_verdict_of_who_does_so(
    loop: Any, queue: Queue, how: str
) -> None:
    ioloop, channel = loop
    seen: list[Any] = []
    with synthetic.simulated(run="peak"):
        header = synthetic.headers()["baggage"]
        hand_over(ioloop, how, functools.partial(channel.basic_publish, "", queue.dead, b"simulated"))
        hand_over(ioloop, how, lambda: seen.append(in_force()))
    with synthetic.real():
        hand_over(ioloop, how, functools.partial(channel.basic_publish, "", queue.dead, b"real"))
        hand_over(ioloop, how, lambda: seen.append(in_force()))
    assert queue.dead_letter("simulated").headers["baggage"] == header
    assert (queue.dead_letter("real").headers or {}).get("baggage") is None
    eventually(lambda: len(seen) == 2 or None)
    assert sorted(seen, key=str) == sorted([(True, "peak"), REAL], key=str)


def test_the_callback_for_a_response_has_the_verdict_of_the_request_also_if_the_request_had_to_wait(
    loop: Any, queue: Queue
) -> None:
    ioloop, channel = loop
    seen: list[Any] = []

    def ask() -> None:
        channel.queue_declare(queue.name, passive=True, callback=lambda _: seen.append(in_force()))

    for work in (synthetic.simulated(run="a"), synthetic.real(), synthetic.simulated(run="b")):
        with work:
            ioloop.add_callback_threadsafe(ask)
    eventually(lambda: len(seen) == 3 or None)
    assert seen == [(True, "a"), REAL, (True, "b")]


def test_pikas_own_callbacks_stay_as_they_are(loop: Any) -> None:
    ioloop, _ = loop
    timers: list[Any] = ioloop._timer._timeout_heap
    seen: list[Any] = []
    with synthetic.simulated(run="peak"):
        ioloop.add_callback_threadsafe(lambda: seen.extend(type(timer.callback).__name__ for timer in timers))
    eventually(lambda: seen or None)
    assert "Callback" not in seen  # heartbeats


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_returned_message_is_handled_under_its_own_verdict(
    request: pytest.FixtureRequest, channel: BlockingChannel, queue: Queue, good: str, is_blocking: bool
) -> None:
    seen: list[Any] = []

    def returned(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        seen.append((body, in_force()))

    def publish(channel: Any) -> None:
        for body, baggage in ((b"one", good), (b"forged", FORGED), (b"two", None)):
            headers = None if baggage is None else {"baggage": baggage}
            channel.basic_publish("", "nowhere", body, pika.BasicProperties(headers=headers), mandatory=True)

    if is_blocking:
        channel.add_on_return_callback(returned)
        publish(channel)
        turn(channel, until=lambda: len(seen) == 2)
    else:
        ioloop, asynchronous = request.getfixturevalue("loop")
        asynchronous.add_on_return_callback(returned)
        ioloop.add_callback_threadsafe(functools.partial(publish, asynchronous))
        eventually(lambda: len(seen) == 2 or None)
    assert seen == [(b"one", PEAK), (b"two", REAL)]


def test_a_callback_is_found_when_it_is_removed_and_is_not_added_twice() -> None:
    manager = CallbackManager()

    def callback() -> None:
        """Do nothing."""

    for _ in range(2):
        manager.add(1, "key", callback, False)
    assert len(manager._stack["1"]["key"]) == 1  # pyright: ignore
    assert manager.remove(1, "key", callback)
    assert manager.pending(1, "key") is None


@pytest.mark.parametrize("how", HANDED_OVER)
def test_what_cannot_be_called_is_pikas_own_error(channel: BlockingChannel, how: str) -> None:
    if how == "call_later":
        with pytest.raises(TypeError, match="callable"):
            channel.connection.call_later(0, None)  # type: ignore[arg-type]
