"""Kafka, for both clients: topics, what an uninstrumented client sends, what arrives, and what a group committed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.cimpl import Producer

from tests.support import brokers

needs = brokers.kafka

Headers = list[tuple[str, Any]]

PARTITIONS = 4
"""The broker gives a topic this many."""


class Topic:
    """A topic of its own. Its consumers are assigned their partitions, and wait for no group."""

    def __init__(self, address: str, name: str | None = None) -> None:
        self.address = address
        self.name = name or uuid4().hex
        self.group = uuid4().hex
        self.settings: dict[str, Any] = {"bootstrap.servers": address, "linger.ms": 0}
        self.stranger = Producer(self.settings)
        self.stranger.list_topics(self.name, timeout=60)

    def dead_letters(self) -> Topic:
        """The topic that refused messages go to."""
        return Topic(self.address, f"{self.name}.refused")

    def put(self, *values: tuple[str, Headers], partition: int = 0, key: bytes | None = None) -> None:
        """Send messages without this library: these values and headers, and nothing else."""
        for value, headers in values:
            self.stranger.produce(self.name, value, key, partition, headers=headers)
        self.stranger.flush(60)

    def consumer(self, kind: Any = Consumer, partitions: tuple[int, ...] = (0,), **settings: Any) -> Any:
        """A consumer with these partitions, which continues at the group's offset."""
        group = {"group.id": self.group, "enable.auto.offset.store": False, "auto.offset.reset": "earliest"}
        haste = {"fetch.wait.max.ms": 20, "fetch.error.backoff.ms": 10}
        consumer = kind({"bootstrap.servers": self.address, **group, **haste, **settings})
        consumer.assign([TopicPartition(self.name, number) for number in partitions])
        return consumer

    def arrived(self, count: int) -> list[Any]:
        """The first messages of all partitions, unchanged."""
        consumer = self.consumer(partitions=tuple(range(PARTITIONS)), **{"group.id": uuid4().hex})
        found: list[Any] = []
        deadline = time.monotonic() + 30
        while len(found) < count and time.monotonic() < deadline:
            found += [message for message in consumer.consume(count, 0.1) if not message.error()]
        consumer.close()
        assert len(found) >= count, found
        return found

    def end(self, partition: int) -> int:
        """The offset that the next message of a partition will have."""
        consumer = self.consumer(partitions=())
        _, end = consumer.get_watermark_offsets(TopicPartition(self.name, partition), timeout=60)
        consumer.close()
        return int(end)

    def committed(self, partition: int = 0) -> int | None:
        """The offset that the group continues from; None if nothing was ever committed."""
        consumer = self.consumer(partitions=())
        (found,) = consumer.committed([TopicPartition(self.name, partition)], timeout=60)
        consumer.close()
        return found.offset if found.offset >= 0 else None


def headers_with(values: Iterable[str | None]) -> Headers:
    """The headers of a message with each of these as ``baggage``; None is left out."""
    return [("baggage", value.encode("latin-1")) for value in values if value is not None]


def baggage_of(message: Any) -> list[str]:
    """Every ``baggage`` header of a message of confluent-kafka."""
    return baggage_in(message.headers())


def baggage_in(headers: Any) -> list[str]:
    """Every ``baggage`` among these headers."""
    return [value.decode("latin-1") for name, value in headers or () if name == "baggage"]
