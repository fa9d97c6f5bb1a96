"""pika: a producer on a blocking connection, and a consumer that a test turns or that runs in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from tests.contract.messages import eventually
from tests.products import rabbitmq
from tests.products.rabbitmq import Queue, channel_to
from tests.support.servers import PATIENCE

needs = rabbitmq.needs


def instrumentor() -> Any:
    """OpenTelemetry's instrumentation."""
    from opentelemetry.instrumentation.pika import PikaInstrumentor

    return PikaInstrumentor()


def contrib() -> None:
    instrumentor().instrument()


def send(channel: BlockingChannel, queue: str, body: str, baggage: str | None = None) -> None:
    properties = pika.BasicProperties(headers=None if baggage is None else {"baggage": baggage})
    channel.basic_publish("", queue, body.encode(), properties)


def turn(channel: BlockingChannel, *, until: Callable[[], Any]) -> Any:
    """Have the connection call its callbacks until there is a result, and return that."""
    return eventually(lambda: channel.connection.process_data_events(0.01) or until() or None)


def receive(channel: BlockingChannel, queue: str, see: Callable[..., Any], *, count: int, **options: Any) -> list[Any]:
    """Consume until ``see(method, body)`` was called for so many messages; returns what it gave."""
    seen: list[Any] = []

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        seen.append(see(method, body.decode()))
        if not options.get("auto_ack"):
            channel.basic_ack(method.delivery_tag)

    tag = channel.basic_consume(queue, handle, **options)
    turn(channel, until=lambda: len(seen) >= count)
    channel.basic_cancel(tag)
    return seen


class Pika(rabbitmq.Consumed):
    """The broker of the contract: it consumes in a thread, on a connection of its own."""

    def __init__(self, port: int, queue: Queue) -> None:
        super().__init__(queue)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port,))
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def _run(self, port: int) -> None:
        with channel_to(port) as self._channel:
            self._channel.basic_consume(self.queue.name, self._handle)
            self._ready.set()
            self._channel.start_consuming()

    def _handle(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self.note(body.decode(), (properties.headers or {}).get("baggage"))
        channel.basic_ack(method.delivery_tag)

    def send(self, name: str, baggage: str | None = None) -> None:
        send(self.queue.channel, self.queue.name, name, baggage)

    def close(self) -> None:
        super().close()
        self._channel.connection.add_callback_threadsafe(self._channel.stop_consuming)
        self._thread.join(PATIENCE)
