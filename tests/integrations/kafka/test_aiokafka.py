"""The contract for messages, with aiokafka."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer

from synthetic_aiokafka import SyntheticConsumer, SyntheticProducer
from tests.contract.messages import MessageContract
from tests.integrations.kafka.contract import KafkaBroker
from tests.products.aiokafka import batch_of, burying, consuming
from tests.products.kafka import Headers, headers_with
from tests.support.asyncio_thread import Loop
from tests.support.switches import instrumented


class AioBroker(KafkaBroker):
    """An event loop in a thread of its own, with a task that consumes the topic and one for the dead letters."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.loop = Loop()
        self.tasks = [self.loop.start(self.consume()), self.loop.start(self.inspect())]

    async def consume(self) -> None:
        async with consuming(self.topic, *self.partitions) as consumer, burying(self.letters) as letters:
            async for one in SyntheticConsumer(consumer, on_refused=letters):
                with one as message:
                    self.handle(message.value, message.headers)

    async def inspect(self) -> None:
        async with consuming(self.letters, *self.partitions) as consumer:
            async for message in consumer:
                self.bury(message.value, message.headers)

    @contextmanager
    def producing(self, kind: type[AIOKafkaProducer]) -> Iterator[Any]:
        async def started() -> Any:
            producer = kind(bootstrap_servers=self.topic.address)
            await producer.start()
            return producer

        self.producer = producer = self.loop.run(started())
        yield producer
        self.loop.run(producer.stop())

    def send(self, name: str, baggage: str | None = None) -> None:
        headers = None if baggage is None else headers_with([baggage])
        self.loop.run(self.producer.send_and_wait(self.topic.name, name.encode(), partition=0, headers=headers))

    def __enter__(self) -> AioBroker:
        return self

    def __exit__(self, *error: object) -> None:
        for task in self.tasks:
            task.cancel()
        self.loop.run(_others())  # the clients close their connections
        self.loop.close()


async def _others() -> None:
    others = asyncio.all_tasks() - {cast("Any", asyncio.current_task())}
    await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture(scope="module")
def running(kafka_address: str) -> Iterator[AioBroker]:
    """One for all tests: joining and leaving a broker takes time."""
    with AioBroker(kafka_address) as broker:
        yield broker


class TestInstrumented(MessageContract):
    our_part = "synthetic_aiokafka._out.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: AioBroker) -> Iterator[AioBroker]:
        with instrumented("aiokafka"), running.producing(AIOKafkaProducer):
            yield running


class TestExplicit(MessageContract):
    our_part = "synthetic_aiokafka._out.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: AioBroker) -> Iterator[AioBroker]:
        with running.producing(SyntheticProducer):
            yield running


class TestBatches(MessageContract):
    """With the caller's own batches, in which every message has its own headers."""

    our_part = "synthetic_aiokafka._out.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: AioBroker) -> Iterator[AioBroker]:
        with instrumented("aiokafka"), running.producing(AIOKafkaProducer) as producer:
            running.producer = _InBatches(producer)
            yield running


class _InBatches:
    def __init__(self, producer: Any) -> None:
        self.producer = producer

    async def send_and_wait(self, topic: str, value: bytes, *, partition: int, headers: Headers) -> None:
        batch = batch_of(self.producer, value, headers)
        await (await self.producer.send_batch(batch, topic, partition=partition))
