"""The contract for messages, with confluent-kafka."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import Context

import confluent_kafka
import pytest

from synthetic_confluent_kafka import SyntheticProducer
from tests.contract.messages import MessageContract
from tests.integrations.kafka.contract import KafkaBroker
from tests.products.confluent_kafka import consuming, dead_letter
from tests.support.switches import instrumented


class ConfluentBroker(KafkaBroker):
    """A thread that consumes the topic, and one for the dead letters."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=Context().run, args=(work,)) for work in (self.consume, self.inspect)]
        for thread in self.threads:
            thread.start()

    def consume(self) -> None:
        with consuming(self.topic, dead_letter(self.letters), partitions=self.partitions) as messages:
            while not self.stop.is_set():
                with messages.poll(0.05) as message:
                    if message is not None and not message.error():
                        self.handle(message.value(), message.headers())

    def inspect(self) -> None:
        consumer = self.letters.consumer(partitions=self.partitions)
        while not self.stop.is_set():
            message = consumer.poll(0.05)
            if message is not None and not message.error():
                self.bury(message.value(), message.headers())
        consumer.close()

    def send(self, name: str, baggage: str | None = None) -> None:
        headers = None if baggage is None else {"baggage": baggage.encode("latin-1")}
        self.producer.produce(self.topic.name, name, partition=0, headers=headers)
        self.producer.flush(5)

    def __enter__(self) -> ConfluentBroker:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)


@pytest.fixture(scope="module")
def running(kafka_address: str) -> Iterator[ConfluentBroker]:
    """One for all tests: joining and leaving a broker takes time."""
    with ConfluentBroker(kafka_address) as broker:
        yield broker


class TestInstrumented(MessageContract):
    our_part = "synthetic_confluent_kafka._headers.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: ConfluentBroker) -> Iterator[ConfluentBroker]:
        with instrumented("confluent-kafka"):
            running.producer = confluent_kafka.Producer(running.topic.settings)
            yield running


class TestExplicit(MessageContract):
    our_part = "synthetic_confluent_kafka._headers.outgoing_pairs"

    @pytest.fixture
    def broker(self, running: ConfluentBroker) -> ConfluentBroker:  # type: ignore[override]
        running.producer = SyntheticProducer(running.topic.settings)
        return running
