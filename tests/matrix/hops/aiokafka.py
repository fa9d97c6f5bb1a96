"""aiokafka: a producer with single messages and with batches, and a consumer with both."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import synthetic
from tests.matrix.cases import Case, Hop, judged, seen
from tests.products.aiokafka import batch_of, burying, consuming, contrib, needs, producing
from tests.products.kafka import Topic, baggage_of, headers_with


@dataclass
class _Produced:
    in_batches: bool

    def __call__(self, case: Case, address: str) -> str:
        synthetic.instrument("aiokafka")
        topic = Topic(address)
        try:
            asyncio.run(self.send(case, topic))
        except synthetic.UnverifiedMarker:
            return "refused"
        (message,) = topic.arrived(1)
        assert len(baggage_of(message)) <= 1
        return judged(baggage_of(message))

    async def send(self, case: Case, topic: Topic) -> None:
        async with producing(topic) as producer:
            with case.work() as own:
                if not self.in_batches:
                    await producer.send_and_wait(topic.name, b"v", headers=headers_with([own]))
                    return
                batch = batch_of(producer, b"v", headers_with([own]))
            await (await producer.send_batch(batch, topic.name, partition=0))


@dataclass
class _Consumed:
    in_batches: bool

    def __call__(self, case: Case, address: str) -> str:
        synthetic.instrument("aiokafka")
        topic = Topic(address)
        topic.put(("v", headers_with(case.headers())), ("end", []))
        return asyncio.run(asyncio.wait_for(self.consume(topic), 60))

    async def consume(self, topic: Topic) -> str:
        from synthetic_aiokafka import SyntheticConsumer

        async with consuming(topic) as consumer, burying(topic.dead_letters()) as letters:
            return await self.handled(SyntheticConsumer(consumer, on_refused=letters))

    async def handled(self, messages: Any) -> str:
        if not self.in_batches:
            with await messages.getone() as message:
                return seen() if message.value == b"v" else "refused"
        while True:
            for group in await messages.getmany(timeout_ms=100, max_records=1):
                with group as (message,):
                    return seen() if message.value == b"v" else "refused"


_CONTRIB = {"contrib": contrib}

HOPS: list[Hop] = [
    Hop("Kafka, aiokafka: send", "aiokafka", _Produced(in_batches=False), _CONTRIB, needs),
    Hop("Kafka, aiokafka: send a batch", "aiokafka", _Produced(in_batches=True), _CONTRIB, needs),
    Hop("Kafka, aiokafka: consume one", "aiokafka", _Consumed(in_batches=False), _CONTRIB, needs),
    Hop("Kafka, aiokafka: consume a batch", "aiokafka", _Consumed(in_batches=True), _CONTRIB, needs),
]
