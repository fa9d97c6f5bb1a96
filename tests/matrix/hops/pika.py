"""pika: a producer and the header that arrived; a consumer and what its callback saw, or a dead letter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika

import synthetic
from synthetic_pika import message
from tests.contract.messages import eventually
from tests.integrations.rabbitmq import Queue, channel_to
from tests.matrix.cases import Case, Hop, judged, seen


@contextmanager
def a_queue(port: int) -> Iterator[tuple[Any, Queue]]:
    """Open a channel after all instrumentation is on, and declare a queue."""
    with channel_to(port) as channel:
        queue = Queue(channel)
        yield channel, queue
        queue.delete()


def arrived(channel: Any, queue: Queue) -> str:
    """Return the verdict of a service on the single message in the queue."""
    _, properties, body = channel.basic_get(queue.name, auto_ack=True)
    assert body == b"ride"
    header = (properties.headers or {}).get("baggage")
    return judged([] if header is None else [header])


def _out(case: Case, port: int) -> str:
    synthetic.instrument("pika")
    with a_queue(port) as (channel, queue):
        try:
            with case.work() as baggage:
                properties = pika.BasicProperties(headers=None if baggage is None else {"baggage": baggage})
                channel.basic_publish("", queue.name, b"ride", properties)
        except synthetic.UnverifiedMarker:
            assert queue.size() == 0
            return "refused"
        return arrived(channel, queue)


def _in(case: Case, port: int) -> str:
    synthetic.instrument("pika")
    told: list[str] = []

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        told.append(seen())
        channel.basic_ack(method.delivery_tag)

    with a_queue(port) as (channel, queue):
        queue.put("ride", case.joined())
        channel.basic_consume(queue.name, handle)

        def outcome() -> str | None:
            channel.connection.process_data_events(0.01)
            return "refused" if queue.has_dead_letter("ride") else told[0] if told else None

        known: str = eventually(outcome)
    assert told == ([] if known == "refused" else [known])
    return known


def _in_by_generator(case: Case, port: int) -> str:
    synthetic.instrument("pika")
    with a_queue(port) as (channel, queue):
        queue.put("ride", case.joined())
        method, properties, _ = next(channel.consume(queue.name))
        try:
            with message(channel, method, properties):
                channel.basic_ack(method.delivery_tag)
                return seen()
        except synthetic.MessageRefused:
            assert queue.dead_letter("ride")
            return "refused"
        finally:
            channel.cancel()


def _contrib() -> None:
    from opentelemetry.instrumentation.pika import PikaInstrumentor

    PikaInstrumentor().instrument()


HOPS: list[Hop] = [
    Hop("pika, producer", "pika", _out, {"contrib": _contrib}, brokers=("rabbitmq",)),
    Hop("pika, consumer", "pika", _in, {"contrib": _contrib}, brokers=("rabbitmq",)),
    Hop("pika, consumer, message by message", "pika", _in_by_generator, {"contrib": _contrib}, brokers=("rabbitmq",)),
]
