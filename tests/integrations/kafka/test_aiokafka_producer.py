"""Producers of aiokafka keep their behaviour, alone and beside OpenTelemetry."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from opentelemetry.sdk.trace import TracerProvider

import synthetic
from synthetic_aiokafka import SyntheticProducer
from tests.products.aiokafka import producing
from tests.products.kafka import Topic, baggage_of
from tests.support.clients import run_script
from tests.support.orders import orders, switched
from tests.support.switches import instrumented, traced
from tests.support.versions import AIOKAFKA, needs


@pytest.fixture
def on() -> Iterator[None]:
    with instrumented("aiokafka"):
        yield


def started(topic: Topic, kind: Any = SyntheticProducer, **settings: Any) -> AbstractAsyncContextManager[Any]:
    return producing(topic, kind, **settings)


def marker() -> str:
    return synthetic.headers()["baggage"]


def test_the_marker_comes_first_and_the_callers_own_headers_are_kept(topic: Topic) -> None:
    headers = [("a", b"1"), ("baggage", b"user=7"), ("empty", None)]

    async def send() -> str:
        async with started(topic) as producer:
            with synthetic.simulated(run="peak"):
                await producer.send_and_wait(topic.name, b"v", b"k", 1, 1_700_000_000_000, headers)
                return marker()

    ours = asyncio.run(send())
    (message,) = topic.arrived(1)
    assert headers == [("a", b"1"), ("baggage", b"user=7"), ("empty", None)]
    assert (message.value(), message.key(), message.partition(), message.timestamp()[1]) == (
        b"v", b"k", 1, 1_700_000_000_000)  # fmt: skip
    assert message.headers() == [("a", b"1"), ("empty", None), ("baggage", f"{ours},user=7".encode())]


@pytest.mark.usefixtures("on")
def test_tasks_that_share_a_producer_each_send_their_own_marker(topic: Topic) -> None:
    async def one(producer: Any, number: int) -> str | None:
        with synthetic.simulated(run=f"run-{number}") if number % 2 else synthetic.real():
            await asyncio.sleep(0)
            await producer.send_and_wait(topic.name, f"{number}".encode())
            return marker() if number % 2 else None

    async def send() -> list[str | None]:
        async with started(topic, AIOKafkaProducer, linger_ms=5) as producer:
            return await asyncio.gather(*(one(producer, number) for number in range(40)))

    markers = asyncio.run(send())
    for message in topic.arrived(40):
        ours = markers[int(message.value())]
        assert baggage_of(message) == ([] if ours is None else [ours])


@pytest.mark.usefixtures("on")
def test_a_batch_may_mix_real_and_simulated_messages_with_their_own_headers(topic: Topic) -> None:
    async def send() -> str:
        async with started(topic, AIOKafkaProducer) as producer:
            batch = producer.create_batch()
            with synthetic.simulated(run="peak"):
                assert batch.append(key=None, value=b"s", timestamp=None).offset == 0
                ours = marker()
            with synthetic.real():
                batch.append(key=b"k", value=b"r", timestamp=None, headers=[("a", b"1")])
            batch.close()
            assert batch.append(key=None, value=b"too late", timestamp=None) is None
            with synthetic.simulated(run="whoever-sends-it"):
                await (await producer.send_batch(batch, topic.name, partition=0))
        return ours

    ours = asyncio.run(send())
    simulated, real = topic.arrived(2)
    assert baggage_of(simulated) == [ours]
    assert real.headers() == [("a", b"1")]


def test_an_invalid_message_raises_the_producers_own_error(topic: Topic) -> None:
    async def send() -> None:
        async with started(topic) as ours, started(topic, AIOKafkaProducer) as theirs:
            for wrong in ({"headers": 5}, {"headers": [("a",)]}, {"headers": [("a", "text")]}, {"value": 5}):
                errors = []
                for producer in (ours, theirs):
                    with synthetic.real(), pytest.raises((TypeError, ValueError)) as raised:
                        await producer.send_and_wait(topic.name, **{"value": b"v", **wrong})
                    errors.append((raised.type, str(raised.value)))
                assert errors[0] == errors[1]
                with synthetic.simulated(run="peak"), pytest.raises((TypeError, ValueError)):
                    await ours.send_and_wait(topic.name, **{"value": b"v", **wrong})
            with pytest.raises(AssertionError, match="Need at least one"):
                await ours.send(topic.name)

    asyncio.run(send())


def test_a_transaction_still_commits(topic: Topic) -> None:
    async def send() -> str:
        async with started(topic, transactional_id=topic.name) as producer, producer.transaction():
            with synthetic.simulated(run="peak"):
                await producer.send_and_wait(topic.name, b"v", partition=0)
                return marker()

    ours = asyncio.run(send())
    assert baggage_of(topic.arrived(1)[0]) == [ours]


def test_a_send_that_is_cancelled_early_sends_no_message(topic: Topic) -> None:
    async def send() -> None:
        async with started(topic) as producer:
            with synthetic.simulated(run="peak"):
                task = asyncio.ensure_future(producer.send(topic.name, b"cancelled", partition=0))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await producer.send_and_wait(topic.name, b"after", partition=0)

    asyncio.run(send())
    (message,) = topic.arrived(1)
    assert (message.value(), baggage_of(message)) == (b"after", [])


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("kind", [AIOKafkaProducer, AIOKafkaConsumer])
def test_background_tasks_of_a_client_started_in_simulated_work_are_not_simulated(topic: Topic, kind: Any) -> None:
    seen: list[bool] = []

    def begin(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        seen.append(synthetic.is_synthetic())
        return asyncio.Task(work, loop=loop, **options)

    async def start() -> None:
        asyncio.get_running_loop().set_task_factory(begin)
        client = kind(bootstrap_servers=topic.address)
        with synthetic.simulated(run="peak"):
            await client.start()
            assert synthetic.is_synthetic()
        await asyncio.sleep(0)  # a task that is cancelled before it begins would let stop() fail
        await client.stop()

    asyncio.run(start())
    assert seen
    assert not any(seen)


# Switching


def test_uninstrument_restores_the_original_classes() -> None:
    owners = ((BatchBuilder, "append"), (AIOKafkaProducer, "start"), (AIOKafkaConsumer, "start"))
    before = [vars(owner)[name] for owner, name in owners]
    for _ in range(2):
        synthetic.instrument("aiokafka")
        synthetic.instrument("aiokafka")
        for owner, name in owners:
            assert inspect.signature(vars(owner)[name]) == inspect.signature(before[owners.index((owner, name))])
        assert [vars(owner)[name] for owner, name in owners] != before
        synthetic.uninstrument("aiokafka")
        synthetic.uninstrument("aiokafka")
        assert [vars(owner)[name] for owner, name in owners] == before


IN_AN_ORDER = """
import asyncio, sys
import synthetic
from aiokafka import AIOKafkaProducer
from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor
from tests.products.kafka import Topic, baggage_of

theirs = AIOKafkaInstrumentor()
synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {
    "ours on": lambda: synthetic.instrument("aiokafka"),
    "ours off": lambda: synthetic.uninstrument("aiokafka"),
    "theirs on": theirs.instrument,
    "theirs off": theirs.uninstrument,
}
topic = Topic(sys.argv[1])
with synthetic.simulated(run="yesterday"):
    stale = synthetic.headers()["baggage"].encode()

async def send():
    async with AIOKafkaProducer(bootstrap_servers=sys.argv[1]) as producer:
        with synthetic.simulated(run="today"):
            ours = synthetic.headers()["baggage"]
            await producer.send_and_wait(topic.name, b"simulated", partition=0, headers=[("baggage", b"user=7")])
        with synthetic.real():
            await producer.send_and_wait(topic.name, b"real", partition=0, headers=[("baggage", stale)])
    return ours

for number, step in enumerate(sys.argv[2:]):
    steps[step]()
    ours = asyncio.run(send())
    simulated, real = topic.arrived(2 * number + 2)[-2:]
    once = baggage_of(simulated) == [ours + ",user=7"]
    print("carried" if once and baggage_of(real) == [] else "not carried")
"""


@needs(*AIOKAFKA)
@orders()
def test_the_marker_goes_once_in_every_order_of_switching_with_opentelemetry(
    kafka_address: str, keys: dict[str, Any], steps: tuple[str, ...]
) -> None:
    printed = run_script(IN_AN_ORDER, kafka_address, *steps, keys=keys).splitlines()
    for (step, is_on), seen in zip(switched(steps), printed, strict=True):
        assert seen == ("carried" if is_on else "not carried"), step


@needs(*AIOKAFKA)
def test_the_explicit_producer_sends_the_marker_once_beside_opentelemetry(topic: Topic) -> None:
    async def send() -> str:
        async with started(topic) as producer:
            with synthetic.simulated(run="peak"):
                await producer.send_and_wait(topic.name, b"v")
                return marker()

    from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor

    with traced(AIOKafkaInstrumentor, tracer_provider=TracerProvider()):
        ours = asyncio.run(send())
    (message,) = topic.arrived(1)
    assert baggage_of(message) == [ours]
    assert "traceparent" in dict(message.headers())
