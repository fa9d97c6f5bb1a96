"""pika: every way to receive a message."""

from __future__ import annotations

import threading
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

import synthetic
import synthetic_pika._refusal
from synthetic._work.state import current_verdict
from synthetic_pika import admitting, message
from tests.contract.messages import eventually
from tests.products.pika import receive, turn
from tests.products.rabbitmq import Queue, parameters
from tests.support.work import FORGED, PEAK, REAL, in_force


def see(_: Any, body: str) -> tuple[str, Any]:
    return body, in_force()


def test_each_message_has_its_own_verdict_and_the_thread_keeps_its_work(
    channel: BlockingChannel, queue: Queue, good: str
) -> None:
    queue.put("one", good)
    queue.put("two", None)
    with synthetic.simulated(run="outer"):
        assert receive(channel, queue.name, see, count=2) == [("one", PEAK), ("two", REAL)]
        assert in_force() == (True, "outer")
    assert current_verdict() is None


def test_an_exception_ends_the_loop_and_leaves_no_verdict_behind(
    channel: BlockingChannel, queue: Queue, good: str
) -> None:
    def handle(*_: Any) -> None:
        raise LookupError(in_force())

    queue.put("one", good)
    channel.basic_consume(queue.name, handle)
    with pytest.raises(LookupError) as error:
        channel.start_consuming()
    assert error.value.args == (PEAK,)
    assert current_verdict() is None


def test_a_message_that_is_shed_goes_back_to_the_queue_and_blocks_no_other(
    channel: BlockingChannel, queue: Queue, good: str, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic_pika._refusal, "PAUSE", 0.05)
    asked: list[None] = []
    synthetic.configure(keys=keys, shed=lambda: asked.append(None) or len(asked) < 3)
    queue.put("later", good)
    queue.put("real", None)
    assert receive(channel, queue.name, see, count=2) == [("real", REAL), ("later", PEAK)]
    assert len(asked) == 3


def test_a_refused_message_under_auto_ack_is_dropped_and_the_consumer_goes_on(
    channel: BlockingChannel, queue: Queue
) -> None:
    queue.put("forged", FORGED)
    queue.put("real", None)
    with synthetic.ledger.recorded() as outcomes:
        assert receive(channel, queue.name, see, count=1, auto_ack=True) == [("real", REAL)]
    assert [outcome.reason and outcome.reason.value for outcome in outcomes] == ["bad-signature"]
    assert channel.is_open


def test_message_admits_each_message_of_a_generator(channel: BlockingChannel, queue: Queue, good: str) -> None:
    for name, baggage in (("one", good), ("two", None), ("forged", FORGED), ("four", good)):
        queue.put(name, baggage)
    seen: list[Any] = []
    for method, properties, body in channel.consume(queue.name):
        assert method is not None
        assert properties is not None
        try:
            with message(channel, method, properties) as marker:
                seen.append((body, in_force()))
                assert marker == synthetic.current()
                channel.basic_ack(method.delivery_tag)
        except synthetic.MessageRefused as error:
            seen.append((body, error.reason.value))
        if len(seen) == 4:
            break
    channel.cancel()
    assert seen == [(b"one", PEAK), (b"two", REAL), (b"forged", "bad-signature"), (b"four", PEAK)]
    assert queue.dead_letter("forged")
    assert current_verdict() is None


def test_message_admits_a_message_from_basic_get(channel: BlockingChannel, queue: Queue, good: str) -> None:
    queue.put("one", good)
    method, properties, _ = channel.basic_get(queue.name)
    assert method is not None
    assert properties is not None
    with message(channel, method, properties):
        assert in_force() == PEAK
        channel.basic_ack(method.delivery_tag)
    assert channel.basic_get(queue.name) == (None, None, None)


def test_admitting_covers_a_callback_without_instrument(channel: BlockingChannel, queue: Queue, good: str) -> None:
    synthetic.uninstrument("pika")
    seen: list[Any] = []

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> str:
        """Handle it."""
        seen.append((body, in_force()))
        return "done"

    covered: Any = admitting(handle)
    for name, baggage in (("one", good), ("forged", FORGED), ("three", None)):
        queue.put(name, baggage)
    channel.basic_consume(queue.name, covered)
    turn(channel, until=lambda: len(seen) == 2)
    assert seen == [(b"one", PEAK), (b"three", REAL)]
    assert (covered.__name__, covered.__doc__) == ("handle", "Handle it.")
    assert queue.dead_letter("forged")


class Asynchronous:
    """A consumer on pika's own event loop, in a thread; ``begin(channel)`` says how it consumes."""

    def __init__(self, port: int, begin: Any) -> None:
        self._begin = begin
        self.ready = threading.Event()
        self.connection = pika.SelectConnection(parameters(port), on_open_callback=self._opened)
        self._thread = threading.Thread(target=self.connection.ioloop.start)
        self._thread.start()

    def _opened(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._begun)

    def _begun(self, channel: Any) -> None:
        self._begin(channel)
        self.ready.set()

    def close(self) -> None:
        def closed(connection: Any, _: Any) -> None:
            connection.ioloop.stop()

        def end() -> None:
            self.connection.add_on_close_callback(closed)
            self.connection.close()

        self.connection.ioloop.add_callback_threadsafe(end)
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.connection.ioloop.close()


@pytest.mark.parametrize("way", ["basic_consume", "basic_get"])
def test_callbacks_of_an_asynchronous_channel_are_covered(
    rabbitmq_port: int, queue: Queue, good: str, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], way: str
) -> None:
    monkeypatch.setattr(synthetic_pika._refusal, "PAUSE", 0.05)
    asked: list[None] = []
    synthetic.configure(keys=keys, shed=lambda: asked.append(None) or len(asked) < 2)
    names = ("later", "real") if way == "basic_consume" else ("real", "one")
    seen: dict[str, Any] = {}

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        seen[body.decode()] = in_force()
        channel.basic_publish("", queue.dead, b"after " + body)
        channel.basic_ack(method.delivery_tag)
        if way == "basic_get":
            channel.basic_get(queue.name, handle)

    if way == "basic_get":
        synthetic.configure(keys=keys)
        queue.put("real", None)
        queue.put("one", good)
    consumer = Asynchronous(rabbitmq_port, lambda channel: getattr(channel, way)(queue.name, handle))
    try:
        assert consumer.ready.wait(60)
        if way == "basic_consume":
            queue.put("forged", FORGED)
            assert queue.dead_letter("forged")
            queue.put("later", good)
            queue.put("real", None)
        eventually(lambda: len(seen) == 2 or None)
        assert seen == dict.fromkeys(names, PEAK) | {"real": REAL}
        sent = {name: queue.dead_letter(f"after {name}") for name in names}
    finally:
        consumer.close()
    assert (sent["real"].headers or {}).get("baggage") is None
    (simulated,) = [name for name in names if name != "real"]
    assert sent[simulated].headers["baggage"] == good
