"""confluent-kafka: a producer, and a consumer with single messages and with batches."""

from __future__ import annotations

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
    synthetic.instrument("confluent-kafka")
    with kafka() as address:
        yield address


def _instrument() -> None:
    from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor

    ConfluentKafkaInstrumentor().instrument()


def _produced(case: Case, address: str) -> str:
    import confluent_kafka

    topic = Topic(address)
    producer = confluent_kafka.Producer(topic.settings)
    try:
        with case.work() as own:
            producer.produce(topic.name, b"v", headers=[] if own is None else [("baggage", own.encode())])
    except synthetic.UnverifiedMarker:
        return "refused"
    producer.flush(60)
    (message,) = topic.arrived(1)
    assert len(baggage_of(message)) <= 1
    return judged(baggage_of(message))


@dataclass
class _Consumed:
    in_batches: bool

    def __call__(self, case: Case, address: str) -> str:
        import confluent_kafka

        from synthetic_confluent_kafka import DeadLetter, SyntheticConsumer

        topic = Topic(address)
        letters = DeadLetter(confluent_kafka.Producer(topic.settings), f"{topic.name}.refused")
        consumer = topic.consumer(confluent_kafka.Consumer)
        topic.put(("v", [("baggage", value.encode()) for value in case.headers()]))
        try:
            return self.handled(SyntheticConsumer(consumer, on_refused=letters))
        finally:
            consumer.close()

    def handled(self, messages: Any) -> str:
        if self.in_batches:
            for group in messages.consume(1, 60):
                with group:
                    return seen()
            return "refused"
        with messages.poll(60) as message:
            return "refused" if message is None else seen()


_CONTRIB = {"contrib": _instrument}

HOPS: list[Hop] = [
    Hop("Kafka, confluent-kafka: produce", "confluent-kafka", _produced, _CONTRIB, _broker),
    Hop("Kafka, confluent-kafka: consume one", "confluent-kafka", _Consumed(in_batches=False), _CONTRIB, _broker),
    Hop("Kafka, confluent-kafka: consume a batch", "confluent-kafka", _Consumed(in_batches=True), _CONTRIB, _broker),
]
