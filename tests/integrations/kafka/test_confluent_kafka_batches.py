"""Batches of confluent-kafka have no headers: simulated messages are sent one by one, or refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka.cimpl import Producer

import synthetic
from synthetic_confluent_kafka import MarkerNotCarried, SyntheticProducer
from tests.products.kafka import Topic, baggage_of
from tests.support.switches import instrumented

aio = pytest.importorskip("confluent_kafka.aio", reason="this confluent-kafka has no batches, nor an AIOProducer")


@pytest.fixture
def producer(topic: Topic) -> Producer:
    return SyntheticProducer(topic.settings)


def test_every_message_of_a_simulated_batch_has_the_marker(producer: Producer, topic: Topic) -> None:
    reports: list[tuple[bytes, bool]] = []
    messages: list[dict[str, Any]] = [
        {"value": b"1", "callback": lambda _, message: reports.append((message.value(), synthetic.is_synthetic()))},
        {"value": b"x" * 2_000_000},
        {"value": b"2", "key": b"k", "partition": 2},
    ]
    with synthetic.simulated(run="peak"):
        ours = synthetic.headers()["baggage"]
        assert producer.produce_batch(topic.name, messages, partition=1) == 2
    producer.flush(60)
    assert {message.value(): baggage_of(message) for message in topic.arrived(2)} == {b"1": [ours], b"2": [ours]}
    assert [("_error" in message) for message in messages] == [False, True, False]
    assert messages[1]["_error"].name() == "MSG_SIZE_TOO_LARGE"
    assert reports == [(b"1", True)]


def test_a_real_batch_is_sent_as_one_and_its_reports_are_real(producer: Producer, topic: Topic) -> None:
    reports: list[bool] = []

    def report(error: Any, message: Any) -> None:
        reports.append(synthetic.is_synthetic())

    messages: list[dict[str, Any]] = [{"value": b"1", "callback": report}, {"value": b"x" * 2_000_000}, {"value": b"2"}]
    producer.produce_batch(topic.name, messages, 0, report)
    with synthetic.simulated(run="peak"):
        producer.flush(60)
    assert [baggage_of(message) for message in topic.arrived(2)] == [[], []]
    assert [sorted(message) for message in messages] == [["callback", "value"], ["_error", "value"], ["value"]]
    assert reports == [False, False]


# The asynchronous producer, which cannot send headers


def test_the_asynchronous_producer_refuses_simulated_work_and_sends_real_work(topic: Topic) -> None:
    async def send() -> None:
        async with aio.AIOProducer(dict(topic.settings), buffer_timeout=0) as producer:
            with synthetic.real():
                delivered = await producer.produce(topic.name, value=b"real")
            with synthetic.simulated(run="peak"):
                with pytest.raises(MarkerNotCarried, match="cannot send headers"):
                    await producer.produce(topic.name, value=b"simulated")
                await producer.flush()  # the other's message
            assert (await delivered).value() == b"real"

    with instrumented("confluent-kafka"):
        asyncio.run(send())
    assert not hasattr(aio.AIOProducer.produce, "__wrapped__")
    (message,) = topic.arrived(1)
    assert baggage_of(message) == []


def test_the_error_of_the_asynchronous_producer_is_a_not_implemented_error() -> None:
    assert issubclass(MarkerNotCarried, NotImplementedError)
