"""aiokafka: what sending a message, and receiving one, cost more than the bare ones; no broker is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_aiokafka import SyntheticConsumer
from tests.benchmarks.compared import WORKS, added, each_of
from tests.benchmarks.measure import Case, Effort, statement, together
from tests.benchmarks.table import Row
from tests.products.kafka import headers_with
from tests.support.keys import entry, mint, shared_key
from tests.support.switches import instrumented, traced

_PEER = "OpenTelemetry aiokafka, no-op tracer"


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and received, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        for kind, header in (("real", None), ("simulated", entry(mint(keys)))):
            yield _sent(kind, effort)
            yield _received(kind, headers_with([header]), effort)
            yield _batch(kind, headers_with([header]), effort)


def _done(work: Any) -> Any:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class _Producer(AIOKafkaProducer):  # type: ignore[misc]
    def __del__(self) -> None:
        """It was never started, and need not be stopped."""


class _Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    def __del__(self) -> None:
        """It was never started, and need not be stopped."""


async def _made(kind: Any) -> Any:
    return kind(bootstrap_servers="127.0.0.1:9")


async def _at_once(*_: Any, **__: Any) -> None:
    pass


class _Batches:
    """What takes the messages of a producer, and forgets a batch when it is full."""

    def __init__(self) -> None:
        self._batch = BatchBuilder(1 << 20, 0)

    async def add_message(
        self, place: Any, key: Any, value: Any, timeout: float, timestamp_ms: Any = None, headers: Any = ()
    ) -> None:
        while self._batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers) is None:
            self._batch = BatchBuilder(1 << 20, 0)


def _sent(kind: str, effort: Effort) -> Row:
    producer = asyncio.run(_made(_Producer))
    producer.client._wait_on_metadata = _at_once
    producer._partition = lambda *_: 0
    producer._message_accumulator = _Batches()
    # The attributes are looked up at each call: they change while the benchmark runs.
    send = statement("done(producer.send('rides', b'ride'))", done=_done, producer=producer)

    switches = {"bare": nullcontext, "ours": _on, "peer": _by_opentelemetry}
    cases = {name: Case(send, together(WORKS[kind], on), number=100, warm=150) for name, on in switches.items()}
    return added("aiokafka, send", kind, _PEER, cases, effort.rounds // 2)


_on = partial(instrumented, "aiokafka")
_by_opentelemetry = partial(traced, AIOKafkaInstrumentor, tracer_provider=NoOpTracerProvider())


class _Coordinator:
    def check_errors(self) -> None:
        pass


class _Endless:
    """What gives a consumer one more message, always."""

    def __init__(self, headers: list[tuple[str, bytes]]) -> None:
        self._headers = headers
        self._offset = 0

    async def next_record(self, _: Any) -> ConsumerRecord[bytes, bytes]:
        return self._next()

    async def fetched_records(self, _: Any, timeout: float = 0, max_records: int = 1) -> Any:
        return {TopicPartition("rides", 0): [self._next() for _ in range(max_records)]}

    def _next(self) -> ConsumerRecord[bytes, bytes]:
        self._offset += 1
        return ConsumerRecord("rides", 0, self._offset, 0, 0, b"7", b"ride", None, 1, 4, self._headers)


def _received(kind: str, headers: list[tuple[str, bytes]], effort: Effort) -> Row:
    def case(code: str, wrap: Callable[[Any], Any], installed: Callable[[], AbstractContextManager[None]]) -> Case:
        consumer = asyncio.run(_made(_Consumer))
        consumer._coordinator, consumer._fetcher = _Coordinator(), _Endless(headers)
        run = statement(code, done=_done, consumer=wrap(consumer))
        return Case(run, installed, number=100, warm=150)

    cases = {
        "bare": case("done(consumer.getone())", lambda consumer: consumer, nullcontext),
        "ours": case("with done(consumer.getone()): pass", _ours, nullcontext),
        "peer": case("done(consumer.getone())", lambda consumer: consumer, _by_opentelemetry),
    }
    return added("aiokafka, getone", kind, _PEER, cases, effort.rounds // 2, one_in=4)


_BATCH = 500


def _batch(kind: str, headers: list[tuple[str, bytes]], effort: Effort) -> Row:
    """Each message of a batch."""

    def case(code: str, wrap: Callable[[Any], Any], installed: Callable[[], AbstractContextManager[None]]) -> Case:
        consumer = asyncio.run(_made(_Consumer))
        consumer._coordinator, consumer._fetcher = _Coordinator(), _Endless(headers)
        return each_of(_BATCH, statement(code, done=_done, consumer=wrap(consumer), number=_BATCH), installed)

    groups = "for group in done(consumer.getmany(max_records=number)):\n    with group: pass"
    cases = {
        "bare": case("done(consumer.getmany(max_records=number))", lambda consumer: consumer, nullcontext),
        "ours": case(groups, _ours, nullcontext),
        "peer": case("done(consumer.getmany(max_records=number))", lambda consumer: consumer, _by_opentelemetry),
    }
    return added(f"aiokafka, each of {_BATCH} of getmany", kind, _PEER, cases, effort.rounds // 6)


def _ours(consumer: Any) -> Any:
    return SyntheticConsumer(consumer, on_refused="raise")
