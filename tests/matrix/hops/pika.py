"""pika: a producer and the header that arrived; a consumer and what its callback saw, or a dead letter."""

from __future__ import annotations

from functools import partial
from typing import Any

import synthetic
from synthetic_pika import message
from tests.matrix.cases import Case, Hop, judged, seen
from tests.products import pika
from tests.products.rabbitmq import Queue, queue_on


def _out(case: Case, port: int) -> str:
    synthetic.instrument("pika")
    with queue_on(port) as queue:
        try:
            with case.work() as baggage:
                pika.send(queue.channel, queue.name, "ride", baggage)
        except synthetic.UnverifiedMarker:
            assert queue.size() == 0
            return "refused"
        return arrived(queue)


def arrived(queue: Queue) -> str:
    """What a service makes of the one message in the queue."""
    header = queue.header("ride")
    return judged([] if header is None else [header])


def _in(case: Case, port: int) -> str:
    synthetic.instrument("pika")
    told: list[str] = []

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        told.append(seen())
        channel.basic_ack(method.delivery_tag)

    with queue_on(port) as queue:
        queue.put("ride", case.joined())
        queue.channel.basic_consume(queue.name, handle)
        pika.turn(queue.channel, until=lambda: told or queue.has_dead_letter("ride"))
        known = "refused" if queue.has_dead_letter("ride") else told[0]
    assert told == ([] if known == "refused" else [known])
    return known


def _in_by_generator(case: Case, port: int) -> str:
    synthetic.instrument("pika")
    with queue_on(port) as queue:
        queue.put("ride", case.joined())
        method, properties, _ = next(queue.channel.consume(queue.name))
        assert method is not None
        assert properties is not None
        try:
            with message(queue.channel, method, properties):
                queue.channel.basic_ack(method.delivery_tag)
                return seen()
        except synthetic.MessageRefused:
            assert queue.dead_letter("ride")
            return "refused"
        finally:
            queue.channel.cancel()


_hop = partial(Hop, product="pika", telemetry={"contrib": pika.contrib}, brokers=("rabbitmq",))

HOPS: list[Hop] = [
    _hop("pika, producer", pass_on=_out),
    _hop("pika, consumer", pass_on=_in),
    _hop("pika, consumer, message by message", pass_on=_in_by_generator),
]
