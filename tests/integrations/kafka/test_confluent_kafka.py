"""The contract for messages, with confluent-kafka."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import Context
from typing import Any
from uuid import uuid4

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition

import synthetic
from synthetic_confluent_kafka import DeadLetter, SyntheticConsumer, SyntheticProducer
from tests.contract.messages import MessageContract, Seen, eventually


class KafkaBroker:
    """A topic with one partition in use, a thread that consumes it, and what it did with each message."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.topic = uuid4().hex
        self.settings = {"bootstrap.servers": address, "linger.ms": 0}
        self.producer: Any = None
        self.stranger = confluent_kafka.cimpl.Producer(self.settings)
        for topic in (self.topic, f"{self.topic}.refused"):
            self.stranger.list_topics(topic, timeout=60)
        self.seen: dict[str, Seen] = {}
        self.letters: dict[str, dict[str, Any]] = {}
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=Context().run, args=(work,)) for work in (self.consume, self.bury)]
        for thread in self.threads:
            thread.start()

    def consumer(self, topic: str) -> Any:
        config = {"bootstrap.servers": self.address, "group.id": uuid4().hex, "enable.auto.offset.store": False}
        consumer = confluent_kafka.Consumer({**config, "fetch.wait.max.ms": 20})
        consumer.assign([TopicPartition(topic, number, 0) for number in range(4)])
        return consumer

    def consume(self) -> None:
        consumer = self.consumer(self.topic)
        letters = DeadLetter(self.stranger, f"{self.topic}.refused")
        messages = SyntheticConsumer(consumer, on_refused=letters)
        while not self.stop.is_set():
            with messages.poll(0.05) as message:
                if message is not None and not message.error():
                    self.handle(message)
        consumer.close()

    def handle(self, message: Any) -> None:
        values = [value.decode("latin-1") for name, value in message.headers() or () if name == "baggage"]
        name = message.value().decode()
        self.seen[name] = Seen.now(name, ",".join(values) if values else None)

    def bury(self) -> None:
        consumer = self.consumer(f"{self.topic}.refused")
        while not self.stop.is_set():
            message = consumer.poll(0.05)
            if message is not None and not message.error():
                self.letters[message.value().decode()] = dict(message.headers())
        consumer.close()

    def send(self, name: str, baggage: str | None = None) -> None:
        headers = None if baggage is None else {"baggage": baggage.encode("latin-1")}
        self.producer.produce(self.topic, name, partition=0, headers=headers)
        self.producer.flush(5)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        headers: list[Any] = [("baggage", value.encode("latin-1")) for value in baggage]
        self.stranger.produce(self.topic, name, partition=0, headers=headers)
        self.stranger.flush(5)

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
        self.stop.set()
        for thread in self.threads:
            thread.join(60)


@pytest.fixture(scope="module")
def running(kafka_address: str) -> Iterator[KafkaBroker]:
    """One for all tests: joining and leaving takes the broker its time."""
    with KafkaBroker(kafka_address) as broker:
        yield broker


class TestInstrumented(MessageContract):
    our_part = "synthetic_confluent_kafka._headers.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: KafkaBroker) -> Iterator[KafkaBroker]:
        synthetic.instrument("confluent-kafka")
        running.producer = confluent_kafka.Producer(running.settings)
        yield running
        synthetic.uninstrument("confluent-kafka")


class TestExplicit(MessageContract):
    our_part = "synthetic_confluent_kafka._headers.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: KafkaBroker) -> KafkaBroker:  # type: ignore[override]
        running.producer = SyntheticProducer(running.settings)
        return running
