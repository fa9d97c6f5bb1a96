"""The contract for messages, with aiokafka."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextvars import Context
from typing import Any, cast
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

import synthetic
from synthetic_aiokafka import DeadLetter, SyntheticConsumer, SyntheticProducer
from tests.contract.messages import MessageContract, Seen, eventually


class KafkaBroker:
    """A topic, an event loop in a thread of its own that consumes it, and what it did with each message."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.topic = uuid4().hex
        self.producer: Any = None
        self.seen: dict[str, Seen] = {}
        self.letters: dict[str, dict[str, Any]] = {}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=Context().run, args=(self.loop.run_forever,))
        self.thread.start()
        self.stranger: Any = self.run(self.started(AIOKafkaProducer))
        self.tasks = [self.begin(self.consume()), self.begin(self.bury())]

    def begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.begin(work).result(20)

    async def started(self, producer: type[AIOKafkaProducer]) -> Any:
        made = producer(bootstrap_servers=self.address)
        await made.start()
        return made

    async def consumer(self, topic: str) -> Any:
        await self.stranger.client._wait_on_metadata(topic)
        group = {"group_id": uuid4().hex, "enable_auto_commit": False, "auto_offset_reset": "earliest"}
        consumer = AIOKafkaConsumer(bootstrap_servers=self.address, fetch_max_wait_ms=20, **group)
        consumer.assign([TopicPartition(topic, number) for number in range(4)])
        return consumer

    async def consume(self) -> None:
        async with await self.consumer(self.topic) as consumer:
            letters = DeadLetter(self.stranger, f"{self.topic}.refused")
            async for one in SyntheticConsumer(consumer, on_refused=letters):
                with one as message:
                    self.handle(message)

    def handle(self, message: Any) -> None:
        values = [value.decode("latin-1") for name, value in message.headers if name == "baggage"]
        name = message.value.decode()
        self.seen[name] = Seen.now(name, ",".join(values) if values else None)

    async def bury(self) -> None:
        async with await self.consumer(f"{self.topic}.refused") as consumer:
            async for message in consumer:
                self.letters[message.value.decode()] = dict(message.headers)

    def send(self, name: str, baggage: str | None = None) -> None:
        headers = None if baggage is None else [("baggage", baggage.encode("latin-1"))]
        self.run(self.producer.send_and_wait(self.topic, name.encode(), partition=0, headers=headers))

    def send_raw(self, name: str, baggage: list[str]) -> None:
        headers = [("baggage", value.encode("latin-1")) for value in baggage]
        sent = self.stranger.send_and_wait(self.topic, name.encode(), partition=0, headers=headers)
        Context().run(self.run, sent)

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: self.seen.get(name))
        return seen

    def refused(self, name: str) -> str:
        reason: bytes = eventually(lambda: self.letters.get(name))["synthetic-refused-reason"]
        assert name not in self.seen
        return reason.decode()

    def __enter__(self) -> KafkaBroker:
        return self

    def __exit__(self, *error: object) -> None:
        for task in self.tasks:
            task.cancel()
        self.run(self.stranger.stop())
        self.run(_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def _others() -> None:
    others = asyncio.all_tasks() - {cast("Any", asyncio.current_task())}
    await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture(scope="module")
def running(kafka_address: str) -> Iterator[KafkaBroker]:
    """One for all tests: joining and leaving takes the broker its time."""
    with KafkaBroker(kafka_address) as broker:
        yield broker


class TestInstrumented(MessageContract):
    our_part = "synthetic_aiokafka._out.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: KafkaBroker) -> Iterator[KafkaBroker]:
        synthetic.instrument("aiokafka")
        running.producer = running.run(running.started(AIOKafkaProducer))
        yield running
        running.run(running.producer.stop())
        synthetic.uninstrument("aiokafka")


class TestExplicit(MessageContract):
    our_part = "synthetic_aiokafka._out.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: KafkaBroker) -> Iterator[KafkaBroker]:
        running.producer = running.run(running.started(SyntheticProducer))
        yield running
        running.run(running.producer.stop())


class TestBatches(MessageContract):
    """With the caller's own batches, in which every message has its own headers."""

    our_part = "synthetic_aiokafka._out.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: KafkaBroker) -> Iterator[KafkaBroker]:
        synthetic.instrument("aiokafka")
        producer = running.run(running.started(AIOKafkaProducer))
        running.producer = _InBatches(producer)
        yield running
        running.run(producer.stop())
        synthetic.uninstrument("aiokafka")


class _InBatches:
    def __init__(self, producer: Any) -> None:
        self.producer = producer

    async def send_and_wait(self, topic: str, value: bytes, *, partition: int, headers: Any) -> None:
        batch = self.producer.create_batch()
        batch.append(timestamp=None, key=None, value=value, headers=headers)
        await (await self.producer.send_batch(batch, topic, partition=partition))
