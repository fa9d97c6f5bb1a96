"""pika: messages over a blocking connection, and a real RabbitMQ in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pika
import pytest

import synthetic
from tests.contract.messages import Broker, MessageContract, Seen, eventually
from tests.integrations.rabbitmq import Queue, Refusals, channel_to


@pytest.fixture(autouse=True)
def on() -> Iterator[None]:
    synthetic.instrument("pika")
    yield
    synthetic.uninstrument("pika")


class Consumer:
    """A consumer in a thread and on a connection of its own."""

    def __init__(self, port: int, queue: str, **options: Any) -> None:
        self.seen: dict[str, Seen] = {}
        self._options = {"queue": queue, **options}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port,))
        self._thread.start()
        assert self._ready.wait(60)

    def _run(self, port: int) -> None:
        with channel_to(port) as self._channel:
            self._channel.basic_consume(on_message_callback=self._handle, **self._options)
            self._ready.set()
            self._channel.start_consuming()

    def _handle(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        name = body.decode()
        self.seen[name] = Seen.now(name, (properties.headers or {}).get("baggage"))
        if not self._options.get("auto_ack"):
            channel.basic_ack(method.delivery_tag)

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: self.seen.get(name))
        return seen

    def close(self) -> None:
        self._channel.connection.add_callback_threadsafe(self._channel.stop_consuming)
        self._thread.join(60)


class Pika:
    """The broker of the contract."""

    def __init__(self, port: int, channel: Any) -> None:
        self.channel = channel
        self.queue = Queue(channel)
        self.consumer = Consumer(port, self.queue.name)
        self.refusals = Refusals()

    def send(self, name: str, baggage: str | None = None) -> None:
        properties = pika.BasicProperties(headers=None if baggage is None else {"baggage": baggage})
        self.channel.basic_publish("", self.queue.name, name.encode(), properties)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        self.queue.put(name, ",".join(baggage) or None)

    def handled(self, name: str) -> Seen:
        return self.consumer.handled(name)

    def refused(self, name: str) -> str:
        self.queue.dead_letter(name)
        assert name not in self.consumer.seen
        return self.refusals.reasons[-1]

    def close(self) -> None:
        self.refusals.close()
        self.consumer.close()
        self.queue.delete()


class TestBlocking(MessageContract):
    our_part = "synthetic_pika._out.outgoing"

    @pytest.fixture
    def broker(self, rabbitmq_port: int, _configured: None) -> Iterator[Broker]:
        with channel_to(rabbitmq_port) as channel:
            broker = Pika(rabbitmq_port, channel)
            try:
                yield broker
            finally:
                broker.close()
