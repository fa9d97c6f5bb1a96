"""confluent-kafka: a producer, and a consumer with single messages and with batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import confluent_kafka

import synthetic
from synthetic_confluent_kafka import DeadLetter
from tests.matrix.cases import Case, Hop, judged, seen
from tests.products.confluent_kafka import consuming, contrib, needs
from tests.products.kafka import Topic, baggage_of, headers_with


def _produced(case: Case, address: str) -> str:
    synthetic.instrument("confluent-kafka")
    topic = Topic(address)
    producer = confluent_kafka.Producer(topic.settings)
    try:
        with case.work() as own:
            producer.produce(topic.name, b"v", headers=headers_with([own]))
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
        synthetic.instrument("confluent-kafka")
        topic = Topic(address)
        letters = DeadLetter(confluent_kafka.Producer(topic.settings), topic.dead_letters().name)
        topic.put(("v", headers_with(case.headers())))
        with consuming(topic, letters) as messages:
            return self.handled(messages)

    def handled(self, messages: Any) -> str:
        if self.in_batches:
            for group in messages.consume(1, 60):
                with group:
                    return seen()
            return "refused"
        with messages.poll(60) as message:
            return "refused" if message is None else seen()


_CONTRIB = {"contrib": contrib}

HOPS: list[Hop] = [
    Hop("Kafka, confluent-kafka: produce", "confluent-kafka", _produced, _CONTRIB, needs),
    Hop("Kafka, confluent-kafka: consume one", "confluent-kafka", _Consumed(in_batches=False), _CONTRIB, needs),
    Hop("Kafka, confluent-kafka: consume a batch", "confluent-kafka", _Consumed(in_batches=True), _CONTRIB, needs),
]
