"""confluent-kafka: consumers whose messages come with their verdict, and what a handler saw of each message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Message

import synthetic
from synthetic_confluent_kafka import DeadLetter, SyntheticConsumer
from tests.products.kafka import Topic, needs
from tests.support.servers import wait_until

__all__ = ["batch", "consuming", "contrib", "dead_letter", "handled", "needs", "saw", "stored"]


def contrib() -> None:
    """Switch on OpenTelemetry's instrumentation."""
    from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor

    ConfluentKafkaInstrumentor().instrument()


def dead_letter(letters: Topic) -> DeadLetter:
    return DeadLetter(letters.stranger, letters.name)


@contextmanager
def consuming(topic: Topic, letters: DeadLetter, **assigned: Any) -> Iterator[SyntheticConsumer]:
    """A consumer of the class that the module has now; refused messages become dead letters."""
    consumer = topic.consumer(confluent_kafka.Consumer, **assigned)
    try:
        yield SyntheticConsumer(consumer, on_refused=letters)
    finally:
        consumer.close()


def handled(messages: SyntheticConsumer, count: int) -> list[tuple[str, str | None]]:
    """Handle this many messages one by one; gives the value and the run of each."""
    seen: list[tuple[str, str | None]] = []

    def all_seen() -> bool:
        with messages.poll(0.1) as message:
            if message is not None:
                seen.append(saw(message))
        return len(seen) == count

    wait_until(all_seen)
    return seen


def saw(message: Message) -> tuple[str, str | None]:
    assert message.error() is None
    found = synthetic.current()
    return (message.value() or b"").decode(), found and found.run


def batch(messages: SyntheticConsumer, count: int) -> list[Any]:
    """The groups of a batch of this many messages."""
    received: list[Message] = []

    def all_there() -> bool:
        received.extend(messages._consumer.consume(count - len(received), 0.2))
        return len(received) == count

    wait_until(all_there)
    return messages.admit(received)


def stored(consumer: Consumer, partition: int = 0) -> int:
    """The group's offset after a commit of what is stored."""
    with suppress(KafkaException):  # nothing is stored
        consumer.commit(asynchronous=False)
    (assigned,) = [place for place in consumer.assignment() if place.partition == partition]
    (found,) = consumer.committed([assigned], timeout=60)
    return max(found.offset, -1)
