"""confluent-kafka, while OpenTelemetry instruments it as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka
import pytest
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
from opentelemetry.sdk.trace import TracerProvider

import synthetic
from synthetic_confluent_kafka import DeadLetter, SyntheticConsumer, SyntheticProducer
from tests.products.confluent_kafka import handled, stored
from tests.products.kafka import Headers, Topic, baggage_of
from tests.support.clients import run_script
from tests.support.orders import orders, switched
from tests.support.switches import traced

IN_AN_ORDER = """
import sys
import confluent_kafka, synthetic
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
from tests.products.kafka import Topic, baggage_of

theirs = ConfluentKafkaInstrumentor()
synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {
    "ours on": lambda: synthetic.instrument("confluent-kafka"),
    "ours off": lambda: synthetic.uninstrument("confluent-kafka"),
    "theirs on": theirs.instrument,
    "theirs off": theirs.uninstrument,
}
topic = Topic(sys.argv[1])
with synthetic.simulated(run="yesterday"):
    stale = synthetic.headers()["baggage"]
for number, step in enumerate(sys.argv[2:]):
    steps[step]()
    producer = confluent_kafka.Producer(topic.settings)
    with synthetic.simulated(run="today"):
        ours = synthetic.headers()["baggage"]
        producer.produce(topic.name, "simulated", partition=0, headers=[("baggage", "user=7")])
    with synthetic.real():
        producer.produce(topic.name, "real", partition=0, headers=[("baggage", stale)])
    producer.flush(60)
    simulated, real = topic.arrived(2 * number + 2)[-2:]
    once = baggage_of(simulated) == [ours + ",user=7"]
    print("carried" if once and baggage_of(real) == [] else "not carried")
"""


@orders(again=("theirs on", "ours on", "ours on", "theirs off", "theirs on", "ours off"))
def test_the_marker_goes_once_in_every_order_of_switching_with_opentelemetry(
    kafka_address: str, keys: dict[str, Any], steps: tuple[str, ...]
) -> None:
    printed = run_script(IN_AN_ORDER, kafka_address, *steps, keys=keys).splitlines()
    for (step, is_on), seen in zip(switched(steps), printed, strict=True):
        assert seen == ("carried" if is_on else "not carried"), step


@pytest.fixture
def by_opentelemetry() -> Iterator[TracerProvider]:
    provider = TracerProvider()
    with traced(ConfluentKafkaInstrumentor, tracer_provider=provider):
        yield provider


def test_an_explicit_producer_wrapped_by_opentelemetry_sends_the_marker_once(topic: Topic) -> None:
    producer: Any = ConfluentKafkaInstrumentor.instrument_producer(SyntheticProducer(topic.settings), TracerProvider())
    with synthetic.simulated(run="peak"):
        ours = synthetic.headers()["baggage"]
        producer.produce(topic.name, b"v")
    producer.flush(60)
    (message,) = topic.arrived(1)
    assert baggage_of(message) == [ours]
    assert "traceparent" in dict(message.headers())


@pytest.mark.parametrize("way", ["instrument", "instrument_consumer"])
def test_a_consumer_that_opentelemetry_instruments_gives_each_message_its_verdict(
    topic: Topic,
    letters: Topic,
    marked: Callable[[str], Headers],
    forged: Headers,
    by_opentelemetry: TracerProvider,
    way: str,
) -> None:
    good = marked("peak")
    topic.put(("s", good), ("f", forged), ("r", []), ("s", good), ("r", []))
    if way == "instrument":
        consumer = topic.consumer(confluent_kafka.Consumer)
        theirs = consumer
    else:
        consumer = topic.consumer()
        theirs = ConfluentKafkaInstrumentor.instrument_consumer(consumer, by_opentelemetry)
    letter_box = DeadLetter(confluent_kafka.Producer(topic.settings), letters.name)
    seen = handled(SyntheticConsumer(theirs, on_refused=letter_box), 4)
    assert seen == [("s", "peak"), ("r", None), ("s", "peak"), ("r", None)]
    (letter,) = letters.arrived(1)
    assert baggage_of(letter) == [forged[0][1].decode()]
    assert stored(consumer) == 5
    theirs.close()
