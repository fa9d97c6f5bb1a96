"""Kafka under load: real, simulated and forged messages interleaved, in batches and singly, while the group changes.

No message may get another verdict, no real message may be lost, and every forged one must become a dead letter.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import TopicPartition

import synthetic
import synthetic_aiokafka
import synthetic_confluent_kafka
from tests.contract.messages import eventually
from tests.products.kafka import PARTITIONS, Topic, headers_with
from tests.support.keys import entry, mint, shared_key

Keys = dict[str, Any]

pytestmark = pytest.mark.long


class Load:
    """Messages of all kinds, each with a number, and what the handlers saw of them."""

    def __init__(self, topic: Topic, letters: Topic, count: int) -> None:
        self.topic = topic
        self.letters = letters
        self.kinds = [random.choice(("real", "simulated", "forged")) for _ in range(count)]
        self.seen: dict[int, set[str | None]] = {}
        self.failures = 0

    def run_of(self, number: int) -> str | None:
        """The run that a message belongs to; some share one, as the messages of one actor do."""
        return f"run-{number if number % 2 else number % 10}" if self.kinds[number] == "simulated" else None

    def chunks(self, parts: int) -> Iterator[range]:
        size = len(self.kinds) // parts
        for start in range(0, size * parts, size):
            yield range(start, start + size if start + 2 * size <= len(self.kinds) else len(self.kinds))

    def send(self, numbers: range, produce: Callable[[str, int], Any]) -> list[Any]:
        """Send messages; the forged ones go without this library."""
        sent = []
        for number in numbers:
            partition, run = random.randrange(PARTITIONS), self.run_of(number)
            if self.kinds[number] == "forged":
                headers = headers_with([entry(mint(shared_key("test")))])
                self.topic.stranger.produce(self.topic.name, f"{number}", headers=headers, partition=partition)
                self.topic.stranger.poll(0)
                continue
            with synthetic.real() if run is None else synthetic.simulated(run=run):
                sent.append(produce(f"{number}", partition))
        self.topic.stranger.flush(30)
        return sent

    def handle(self, number: int) -> None:
        """Note what a message is taken for; every now and then, fail instead."""
        if random.random() < 0.02:
            self.failures += 1
            raise LookupError("in the handler")
        found = synthetic.current()
        self.seen.setdefault(number, set()).add(found and found.run)

    def is_handled(self, numbers: range) -> bool:
        return all(number in self.seen or self.kinds[number] == "forged" for number in numbers)

    def is_passed(self) -> bool | None:
        """True once the group is past everything; a forged message may be the last of its partition."""
        ends = [self.topic.end(number) for number in range(PARTITIONS)]
        return [self.topic.committed(number) for number in range(PARTITIONS)] == ends or None

    def check(self) -> None:
        wanted = {number: {self.run_of(number)} for number, kind in enumerate(self.kinds) if kind != "forged"}
        assert self.seen == wanted
        assert self.failures
        buried = {int(letter.value()) for letter in self.letters.arrived(sum(map(self.letters.end, range(PARTITIONS))))}
        assert buried == {number for number, kind in enumerate(self.kinds) if kind == "forged"}
        assert [self.topic.committed(number) for number in range(PARTITIONS)] == [
            self.topic.end(number) for number in range(PARTITIONS)
        ]


@pytest.fixture
def load(kafka_address: str, keys: Keys, long_run: bool) -> Load:
    synthetic.configure(keys=keys)
    topic = Topic(kafka_address)
    return Load(topic, topic.dead_letters(), 20_000 if long_run else 900)


def until_it_succeeds(group: Any, handle: Callable[[Any], None]) -> None:
    while True:
        with suppress(LookupError):
            with group as found:
                for message in found if isinstance(found, list) else [found]:
                    handle(message)
            return


# confluent-kafka


class Thread:
    """A consumer in the group, in a thread of its own."""

    def __init__(self, load: Load, *, in_batches: bool) -> None:
        self.load = load
        self.in_batches = in_batches
        self.assigned: list[TopicPartition] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=Context().run, args=(self._consume,))
        self._thread.start()

    def leave(self) -> None:
        self._stop.set()
        self._thread.join()

    def _consume(self) -> None:
        load = self.load
        consumer = load.topic.consumer(partitions=(), **{"session.timeout.ms": 6000, "heartbeat.interval.ms": 200})
        consumer.unassign()
        consumer.subscribe([load.topic.name])
        letters = synthetic_confluent_kafka.DeadLetter(load.letters.stranger, load.letters.name)
        messages = synthetic_confluent_kafka.SyntheticConsumer(consumer, on_refused=letters)
        while not self._stop.is_set():
            received = messages.consume(random.randint(1, 200), 0.1) if self.in_batches else [messages.poll(0.1)]
            for group in received:
                until_it_succeeds(group, self._handle)
            self.assigned = consumer.assignment()
        consumer.close()
        self.assigned = []

    def _handle(self, message: Any) -> None:
        if message is not None and not message.error():
            self.load.handle(int(message.value()))


def test_confluent_kafka_consumers_in_threads_mix_up_no_message(load: Load, long_run: bool) -> None:
    synthetic.instrument("confluent-kafka")
    producer = confluent_kafka.Producer({**load.topic.settings, "linger.ms": 5})
    members = [Thread(load, in_batches=True)]

    def produce(value: str, partition: int) -> None:
        producer.produce(load.topic.name, value, partition=partition)
        producer.poll(0)

    def is_settled() -> bool | None:
        return True if all(member.assigned for member in members) else None

    changes: list[Callable[[], Any]] = [lambda: None]
    if long_run:
        changes += [
            lambda: members.append(Thread(load, in_batches=False)),
            lambda: members.append(Thread(load, in_batches=True)),
            lambda: members.pop(0).leave(),
            lambda: members.pop(0).leave(),
        ]
    try:
        for change, numbers in zip(changes, load.chunks(len(changes)), strict=True):
            change()
            load.send(numbers, produce)
            producer.flush(30)
            eventually(is_settled)
            eventually(lambda numbers=numbers: load.is_handled(numbers) or None, seconds=120)
        eventually(load.is_passed)
    finally:
        for member in members:
            member.leave()
        synthetic.uninstrument("confluent-kafka")
    load.check()


# aiokafka


class Task:
    """A consumer in the group, in a task of its own."""

    def __init__(self, load: Load, producer: Any, *, in_batches: bool) -> None:
        self.load = load
        self.in_batches = in_batches
        self._letters = synthetic_aiokafka.DeadLetter(producer, load.letters.name)
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._consume())

    async def leave(self) -> None:
        self._stop.set()
        await self._task

    async def _consume(self) -> None:
        load = self.load
        consumer = AIOKafkaConsumer(
            load.topic.name,
            bootstrap_servers=load.topic.address,
            group_id=load.topic.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6000,
            heartbeat_interval_ms=200,
            fetch_max_wait_ms=20,
        )
        async with consumer:
            messages = synthetic_aiokafka.SyntheticConsumer(consumer, on_refused=self._letters)
            while not self._stop.is_set():
                for group in await self._received(messages):
                    until_it_succeeds(group, lambda message: load.handle(int(message.value)))
                    await asyncio.sleep(0)
                await messages.commit()

    async def _received(self, messages: Any) -> Any:
        if self.in_batches:
            return await messages.getmany(timeout_ms=100, max_records=random.randint(1, 200))
        with suppress(asyncio.TimeoutError):
            return [await asyncio.wait_for(messages.getone(), 0.1)]
        return []


def test_aiokafka_consumers_in_tasks_mix_up_no_message(load: Load, long_run: bool) -> None:
    synthetic.instrument("aiokafka")
    try:
        asyncio.run(_soak(load, long_run))
    finally:
        synthetic.uninstrument("aiokafka")
    load.check()


async def _soak(load: Load, long_run: bool) -> None:
    """One consumer after another: the broker for tests has no groups with several aiokafka consumers."""
    async with AIOKafkaProducer(bootstrap_servers=load.topic.address) as producer:

        def produce(value: str, partition: int) -> Any:
            send = synthetic.carry(producer.send_and_wait)  # it goes on after the block that sends
            return asyncio.ensure_future(send(load.topic.name, value.encode(), partition=partition))

        chunks = list(load.chunks(6 if long_run else 1))
        for position, numbers in enumerate(chunks):
            member = Task(load, producer, in_batches=position % 2 == 0)
            await asyncio.gather(*load.send(numbers, produce))
            # The last one handles everything; those before it leave in the middle of their work.
            enough = numbers if numbers is chunks[-1] else numbers[: len(numbers) // 2]
            await _until(lambda enough=enough: load.is_handled(enough), 120)
            if numbers is chunks[-1]:
                await asyncio.to_thread(eventually, load.is_passed, seconds=60)
            await member.leave()


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), seconds)
