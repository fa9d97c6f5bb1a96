"""aio-pika: a producer and the header that arrived; a consumer and what it saw, or a dead letter."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import synthetic
from tests.matrix.cases import Case, Hop, seen
from tests.matrix.hops.pika import arrived
from tests.products import aio_pika
from tests.products.rabbitmq import queue_on


def _out(case: Case, port: int) -> str:
    synthetic.instrument("aio-pika")

    async def send(channel: Any) -> None:
        with case.work() as baggage:
            await aio_pika.send(channel, queue.name, "ride", baggage)

    with queue_on(port) as queue:
        try:
            aio_pika.run(port, send)
        except synthetic.UnverifiedMarker:
            assert queue.size() == 0
            return "refused"
        return arrived(queue)


def _in(way: str, case: Case, port: int) -> str:
    synthetic.instrument("aio-pika")
    told: list[str] = []

    async def receive(channel: Any) -> str:
        async with aio_pika.consuming(channel, queue.name, way, lambda _: told.append(seen())):
            while not told:
                if queue.has_dead_letter("ride"):
                    return "refused"
                await asyncio.sleep(0.005)
        (known,) = told
        return known

    with queue_on(port) as queue:
        queue.put("ride", case.joined())
        known: str = aio_pika.run(port, receive)
        return known


_hop = partial(Hop, product="aio-pika", telemetry={"contrib": aio_pika.contrib}, brokers=("rabbitmq",))

HOPS: list[Hop] = [
    _hop("aio-pika, producer", pass_on=_out),
    _hop("aio-pika, consumer", pass_on=partial(_in, "callback")),
    _hop("aio-pika, consumer, iterator", pass_on=partial(_in, "iterator")),
]
