"""aiokafka: a producer with single messages and with batches, and a consumer with both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import synthetic
from tests.integrations.kafka.topics import Topic, baggage_of
from tests.matrix.cases import Case, Hop, judged, seen
from tests.support.brokers import kafka


@contextmanager
def _broker() -> Iterator[str]:
    synthetic.instrument("aiokafka")
    with kafka() as address:
        yield address


def _instrument() -> None:
    from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor

    AIOKafkaInstrumentor().instrument()


@dataclass
class _Produced:
    in_batches: bool

    def __call__(self, case: Case, address: str) -> str:
        topic = Topic(address)
        try:
            asyncio.run(self.send(case, topic))
        except synthetic.UnverifiedMarker:
            return "refused"
        (message,) = topic.arrived(1)
        assert len(baggage_of(message)) <= 1
        return judged(baggage_of(message))

    async def send(self, case: Case, topic: Topic) -> None:
        from aiokafka import AIOKafkaProducer

        async with AIOKafkaProducer(bootstrap_servers=topic.address) as producer:
            with case.work() as own:
                headers = [] if own is None else [("baggage", own.encode())]
                if not self.in_batches:
                    await producer.send_and_wait(topic.name, b"v", headers=headers)
                    return
                batch = producer.create_batch()
                batch.append(timestamp=None, key=None, value=b"v", headers=headers)
            await (await producer.send_batch(batch, topic.name, partition=0))


@dataclass
class _Consumed:
    in_batches: bool

    def __call__(self, case: Case, address: str) -> str:
        topic = Topic(address)
        topic.put(("v", [("baggage", value.encode()) for value in case.headers()]))
        topic.put(("end", []))
        return asyncio.run(asyncio.wait_for(self.consume(topic), 60))

    async def consume(self, topic: Topic) -> str:
        from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

        from synthetic_aiokafka import DeadLetter, SyntheticConsumer

        consumer = AIOKafkaConsumer(
            bootstrap_servers=topic.address,
            group_id=topic.group,
            enable_auto_commit=False,
            fetch_max_wait_ms=20,
            auto_offset_reset="earliest",
        )
        consumer.assign([TopicPartition(topic.name, 0)])
        async with consumer, AIOKafkaProducer(bootstrap_servers=topic.address) as producer:
            letters = DeadLetter(producer, f"{topic.name}.refused")
            return await self.handled(SyntheticConsumer(consumer, on_refused=letters))

    async def handled(self, messages: Any) -> str:
        if not self.in_batches:
            with await messages.getone() as message:
                return seen() if message.value == b"v" else "refused"
        while True:
            for group in await messages.getmany(timeout_ms=100, max_records=1):
                with group as (message,):
                    return seen() if message.value == b"v" else "refused"


_CONTRIB = {"contrib": _instrument}

HOPS: list[Hop] = [
    Hop("Kafka, aiokafka: send", "aiokafka", _Produced(in_batches=False), _CONTRIB, _broker),
    Hop("Kafka, aiokafka: send a batch", "aiokafka", _Produced(in_batches=True), _CONTRIB, _broker),
    Hop("Kafka, aiokafka: consume one", "aiokafka", _Consumed(in_batches=False), _CONTRIB, _broker),
    Hop("Kafka, aiokafka: consume a batch", "aiokafka", _Consumed(in_batches=True), _CONTRIB, _broker),
]
