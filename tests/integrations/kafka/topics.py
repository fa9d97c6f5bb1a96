"""Topics for the tests of the Kafka clients: what strangers send, what arrives, and what a group has committed."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.cimpl import Producer

Headers = list[tuple[str, Any]]

PARTITIONS = 4
"""That is what the broker makes of a topic."""


class Topic:
    """A topic of its own, and consumers of it that need not wait until a group has met."""

    def __init__(self, address: str, name: str | None = None) -> None:
        self.address = address
        self.name = name or uuid4().hex
        self.group = uuid4().hex
        self.settings: dict[str, Any] = {"bootstrap.servers": address, "linger.ms": 0}
        self.stranger = Producer(self.settings)
        self.stranger.list_topics(self.name, timeout=60)

    def put(self, *values: tuple[str, Headers], partition: int = 0, key: bytes | None = None) -> None:
        """Send messages as a stranger does: these values and headers, and nothing else."""
        for value, headers in values:
            self.stranger.produce(self.name, value, key, partition, headers=headers)
        self.stranger.flush(60)

    def consumer(self, kind: Any = Consumer, partitions: tuple[int, ...] = (0,), **settings: Any) -> Any:
        """A consumer with these partitions, that goes on where the group has got to."""
        group = {"group.id": self.group, "enable.auto.offset.store": False, "auto.offset.reset": "earliest"}
        haste = {"fetch.wait.max.ms": 20, "fetch.error.backoff.ms": 10}
        consumer = kind({"bootstrap.servers": self.address, **group, **haste, **settings})
        consumer.assign([TopicPartition(self.name, number) for number in partitions])
        return consumer

    def arrived(self, count: int) -> list[Any]:
        """The first messages of all partitions, as they are."""
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
        """The offset that the group would go on from; None where nothing was ever committed."""
        consumer = self.consumer(partitions=())
        (found,) = consumer.committed([TopicPartition(self.name, partition)], timeout=60)
        consumer.close()
        return found.offset if found.offset >= 0 else None


def baggage_of(message: Any) -> list[str]:
    """Every ``baggage`` header of a message."""
    return [value.decode("latin-1") for name, value in message.headers() or () if name == "baggage"]
