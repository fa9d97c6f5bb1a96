"""aiokafka: producers with single messages and with batches, consumers, and what a handler saw of each message.

Each function imports the product itself, so that the matrix can list its rows without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import synthetic
from tests.products.kafka import Headers, Topic, needs

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from synthetic_aiokafka import DeadLetter, SyntheticConsumer

__all__ = ["batch", "batch_of", "burying", "consuming", "contrib", "handled", "needs", "producing", "saw"]


def contrib() -> None:
    """Switch on OpenTelemetry's instrumentation."""
    from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor

    AIOKafkaInstrumentor().instrument()


@asynccontextmanager
async def producing(topic: Topic, kind: Any = None, **settings: Any) -> AsyncIterator[Any]:
    """A started producer, by default one of aiokafka's own class."""
    from aiokafka import AIOKafkaProducer

    async with (kind or AIOKafkaProducer)(bootstrap_servers=topic.address, **settings) as producer:
        yield producer


def batch_of(producer: Any, value: bytes, headers: Headers) -> Any:
    """A batch with this one message; ``send_batch`` sends it."""
    batch = producer.create_batch()
    batch.append(timestamp=None, key=None, value=value, headers=headers)
    return batch


@asynccontextmanager
async def consuming(topic: Topic, *partitions: int, **settings: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer with these partitions, by default the first."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    wanted = {"group_id": topic.group, "enable_auto_commit": False, "auto_offset_reset": "earliest", **settings}
    consumer = AIOKafkaConsumer(bootstrap_servers=topic.address, fetch_max_wait_ms=20, **wanted)
    consumer.assign([TopicPartition(topic.name, number) for number in partitions or (0,)])
    async with consumer:
        await asyncio.sleep(0)  # stop() fails if a task is cancelled before it begins
        yield consumer


@asynccontextmanager
async def burying(letters: Topic) -> AsyncIterator[DeadLetter]:
    """Refused messages go to this topic."""
    from synthetic_aiokafka import DeadLetter

    async with producing(letters) as producer:
        yield DeadLetter(producer, letters.name)


def saw(message: Any) -> tuple[str, str | None]:
    found = synthetic.current()
    return message.value.decode(), found and found.run


async def handled(messages: SyntheticConsumer, count: int) -> list[tuple[str, str | None]]:
    """Handle this many messages one by one; gives the value and the run of each."""
    seen = []
    for _ in range(count):
        with await messages.getone() as message:
            seen.append(saw(message))
    return seen


async def batch(messages: SyntheticConsumer, consumer: AIOKafkaConsumer, count: int) -> list[Any]:
    """The groups of a batch of this many messages."""
    received: list[Any] = []
    while len(received) < count:
        found = await consumer.getmany(timeout_ms=100, max_records=count - len(received))
        received += [message for some in found.values() for message in some]
    return await messages.admit(received)
