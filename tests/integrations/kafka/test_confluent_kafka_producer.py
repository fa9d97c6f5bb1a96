"""Producers of confluent-kafka of every kind are covered and keep their behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaException, SerializingProducer
from confluent_kafka.cimpl import Producer
from confluent_kafka.serialization import StringSerializer

import synthetic
from synthetic_confluent_kafka import SyntheticProducer
from tests.products.kafka import Topic, baggage_of
from tests.support.clients import run_script
from tests.support.switches import instrumented


class OurOwn(Producer):
    """A class that is derived before instrument()."""


@pytest.fixture
def on() -> Iterator[None]:
    with instrumented("confluent-kafka"):
        yield


@pytest.fixture
def producer(topic: Topic) -> Producer:
    return SyntheticProducer(topic.settings)


def marker() -> str:
    return synthetic.headers()["baggage"]


# What goes along


@pytest.mark.parametrize(
    "headers",
    [{"a": "1", "baggage": "user=7"}, [("a", b"1"), ("baggage", b"user=7")]],
    ids=["dict", "list"],
)
def test_the_marker_joins_headers_of_either_kind_and_leaves_the_callers_object_unchanged(
    producer: Producer, topic: Topic, headers: Any
) -> None:
    before = headers.copy()
    with synthetic.simulated(run="peak"):
        ours = marker()
        producer.produce(topic.name, b"v", headers=headers)
    producer.flush(60)
    (message,) = topic.arrived(1)
    assert headers == before
    assert message.headers() == [("a", b"1"), ("baggage", f"{ours},user=7".encode())]


def test_every_argument_may_be_positional(producer: Producer, topic: Topic) -> None:
    reports: list[Any] = []
    with synthetic.simulated(run="peak"):
        ours = marker()
        producer.produce(
            topic.name, b"v", b"k", 1, lambda error, _: reports.append(error), None, 1_700_000_000_000, {"a": None}
        )
    producer.flush(60)
    (message,) = topic.arrived(1)
    assert (message.value(), message.key(), message.partition(), message.timestamp()[1]) == (
        b"v", b"k", 1, 1_700_000_000_000)  # fmt: skip
    assert message.headers() == [("a", None), ("baggage", ours.encode())]
    assert reports == [None]


@pytest.mark.parametrize("headers", [5, [("a",)], [("a", 5)], {"a": 5}])
def test_invalid_headers_raise_the_producers_own_error(producer: Producer, topic: Topic, headers: Any) -> None:
    with pytest.raises(TypeError) as theirs:
        topic.stranger.produce(topic.name, b"v", headers=headers)
    with synthetic.real(), pytest.raises(TypeError) as ours:
        producer.produce(topic.name, b"v", headers=headers)
    assert str(ours.value) == str(theirs.value)
    with synthetic.simulated(run="peak"), pytest.raises((TypeError, ValueError)):
        producer.produce(topic.name, b"v", headers=headers)
    assert len(producer) == 0


def test_an_invalid_call_raises_the_same_error_as_without_this_library(producer: Producer, topic: Topic) -> None:
    with pytest.raises(TypeError):
        producer.produce(topic.name, b"v", b"k", 0, None, None, 0, {}, "one too many")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        producer.produce(topic.name, b"v", b"k", 0, partition=0)  # type: ignore[misc]
    with pytest.raises(KafkaException, match="too large"):
        producer.produce(topic.name, b"v" * 2_000_000)


def test_a_full_queue_still_raises_buffer_error(topic: Topic) -> None:
    producer = SyntheticProducer(
        {"bootstrap.servers": "127.0.0.1:9", "queue.buffering.max.messages": 1, "log_level": 0}
    )
    producer.produce(topic.name, b"first")
    with pytest.raises(BufferError):
        producer.produce(topic.name, b"second")
    producer.purge()


# Reports of delivery

REPORTED: dict[str, Any] = {
    "on_delivery": lambda report: {"on_delivery": report},
    "callback": lambda report: {"callback": report},
    "for every message": lambda report: {},
    "for every message, and none for this": lambda report: {"callback": None},
}


@pytest.mark.parametrize("given", REPORTED)
def test_a_delivery_report_runs_under_the_verdict_of_its_message(topic: Topic, given: str) -> None:
    seen: dict[bytes, str | None] = {}

    def report(error: Any, message: Any) -> None:
        found = synthetic.current()
        seen[message.value()] = found and found.run

    general = {"on_delivery": report} if given.startswith("for every message") else {}
    producer = SyntheticProducer({**topic.settings, **general})
    extra = REPORTED[given](report)
    with synthetic.simulated(run="peak"):
        producer.produce(topic.name, b"simulated", **extra)
    with synthetic.real():
        producer.produce(topic.name, b"real", **extra)
    producer.produce(topic.name, b"undecided", **extra)
    with synthetic.simulated(run="other"):
        producer.flush(60)
    assert seen == {b"simulated": "peak", b"real": None, b"undecided": None}


def test_a_failing_delivery_report_raises_and_leaves_no_verdict_behind(producer: Producer, topic: Topic) -> None:
    def report(error: Any, message: Any) -> None:
        raise LookupError("in the report")

    with synthetic.simulated(run="peak"):
        producer.produce(topic.name, b"v", on_delivery=report)
    with pytest.raises(LookupError):
        producer.flush(60)
    assert not synthetic.is_synthetic()


# Which producers


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize(
    "make",
    [
        lambda settings: confluent_kafka.Producer(settings),
        lambda settings: confluent_kafka.Producer(**settings),
        lambda settings: SerializingProducer({**settings, "value.serializer": StringSerializer()}),
        OurOwn,
        SyntheticProducer,
    ],
    ids=["Producer", "keywords", "SerializingProducer", "derived before", "SyntheticProducer"],
)
def test_a_producer_of_any_class_is_covered(topic: Topic, make: Any) -> None:
    producer = make(topic.settings)
    with synthetic.simulated(run="peak"):
        ours = marker()
        producer.produce(topic.name, value="v")
    producer.flush(60)
    (message,) = topic.arrived(1)
    assert baggage_of(message) == [ours]
    assert isinstance(producer, Producer)


def test_a_producer_made_before_instrument_is_covered_only_if_its_class_is_derived(topic: Topic) -> None:
    derived, plain = OurOwn(topic.settings), Producer(topic.settings)
    synthetic.instrument("confluent-kafka")
    with synthetic.simulated(run="peak"):
        ours = marker()
        derived.produce(topic.name, "covered", partition=0)
        plain.produce(topic.name, "not covered", partition=0)
    derived.flush(60)
    plain.flush(60)
    synthetic.uninstrument("confluent-kafka")
    with synthetic.simulated(run="peak"):
        derived.produce(topic.name, "not any more", partition=0)
    derived.flush(60)
    assert {message.value(): baggage_of(message) for message in topic.arrived(3)} == {
        b"covered": [ours],
        b"not covered": [],
        b"not any more": [],
    }


def test_uninstrument_restores_the_original_classes(topic: Topic) -> None:
    for _ in range(2):
        synthetic.instrument("confluent-kafka")
        synthetic.instrument("confluent-kafka")
        meanwhile = confluent_kafka.Producer
        made = meanwhile(topic.settings)
        assert meanwhile is not Producer
        assert issubclass(SerializingProducer, meanwhile)
        assert (meanwhile.__name__, meanwhile.__module__) == ("Producer", "confluent_kafka")
        synthetic.uninstrument("confluent-kafka")
        synthetic.uninstrument("confluent-kafka")
        assert type(confluent_kafka) is ModuleType
        assert confluent_kafka.Producer is vars(confluent_kafka)["Producer"] is Producer
        assert SerializingProducer.__bases__[0] is OurOwn.__bases__[0] is Producer
    with synthetic.simulated(run="peak"):
        made.produce(topic.name, "made meanwhile")
    made.flush(60)
    (message,) = topic.arrived(1)
    assert baggage_of(message) == []


@pytest.mark.usefixtures("on")
def test_another_patch_may_replace_the_producer_class() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confluent_kafka, "Producer", OurOwn)
        assert confluent_kafka.Producer is OurOwn
    assert confluent_kafka.Producer is not OurOwn
    assert confluent_kafka.Producer.__mro__[-2] is Producer


IMPORTED_BEFORE = """
import logging, sys
import confluent_kafka, synthetic
from confluent_kafka import Producer as OurProducer, SerializingProducer
from tests.products.kafka import Topic, baggage_of

logging.basicConfig(stream=sys.stdout, format="%(name)s %(levelname)s: %(message)s")
synthetic.instrument("confluent-kafka")
print("instrumented")
topic = Topic(sys.argv[1])
with synthetic.simulated(run="peak"):
    for make in (OurProducer, confluent_kafka.Producer, SerializingProducer):
        producer = make(topic.settings)
        producer.produce(topic.name, value="v", partition=0)
        producer.flush(60)
print([len(baggage_of(message)) for message in topic.arrived(3)])
"""


def test_a_producer_name_imported_before_instrument_is_not_covered_and_logs_a_warning(
    kafka_address: str, keys: dict[str, Any]
) -> None:
    *warned, instrumented, carried = run_script(IMPORTED_BEFORE, kafka_address, keys=keys).splitlines()
    assert [line for line in warned if "__main__" in line] == [
        "synthetic WARNING: __main__.OurProducer was imported before instrument(), and the producers that it makes "
        "carry no marker: call instrument() first, or write confluent_kafka.Producer(...)"
    ]
    assert instrumented == "instrumented"
    assert carried == "[0, 1, 1]"
