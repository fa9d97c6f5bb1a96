"""confluent-kafka: what producing a message, and receiving one, cost more than the bare ones; no broker is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Message
from confluent_kafka.cimpl import Producer
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_confluent_kafka import SyntheticConsumer, SyntheticProducer
from tests.benchmarks.compared import WORKS, added, each_of
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.products.kafka import headers_with
from tests.support.keys import entry, mint, shared_key

_PEER = "OpenTelemetry confluent-kafka, no-op tracer"
_NOWHERE = {"bootstrap.servers": "127.0.0.1:9", "log_level": 0, "reconnect.backoff.ms": 10_000}


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and received, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        for kind, header in (("real", None), ("simulated", entry(mint(keys)))):
            yield _produced(kind, effort)
            yield _consumed(kind, headers_with([header]), effort)
            yield _batch(kind, headers_with([header]), effort)


def _produced(kind: str, effort: Effort) -> Row:
    def case(producer: Any, queue: Producer) -> Case:
        @contextmanager
        def around() -> Iterator[None]:
            with WORKS[kind]():
                yield
            queue.purge()
            queue.poll(0)

        return Case(statement("produce('rides', b'ride')", produce=producer.produce), around, number=100)

    bare, ours, theirs = Producer(_NOWHERE), SyntheticProducer(_NOWHERE), Producer(_NOWHERE)
    proxy: Any = ConfluentKafkaInstrumentor.instrument_producer(theirs, NoOpTracerProvider())
    cases = {"bare": case(bare, bare), "ours": case(ours, ours), "peer": case(proxy, theirs)}
    return added("confluent-kafka, produce", kind, _PEER, cases, effort.rounds // 2)


class _Endless:
    """A consumer that always has one more message, and takes every offset."""

    def __init__(self, headers: list[tuple[str, bytes]]) -> None:
        self._headers = headers
        self._offset = 0

    def poll(self, timeout: float = -1) -> Message:
        self._offset += 1
        return Message("rides", 0, self._offset, b"7", b"ride", self._headers)

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        return [self.poll() for _ in range(num_messages)]

    def store_offsets(self, *_: Any, **__: Any) -> None:
        pass

    def close(self) -> None:
        pass


def _consumed(kind: str, headers: list[tuple[str, bytes]], effort: Effort) -> Row:
    theirs: Any = ConfluentKafkaInstrumentor.instrument_consumer(_Endless(headers), NoOpTracerProvider())  # type: ignore[arg-type]
    ours = SyntheticConsumer(_Endless(headers), on_refused="raise")  # type: ignore[arg-type]
    bare = statement("poll(1.0)", poll=_Endless(headers).poll)
    one = statement("with poll(1.0): pass", poll=ours.poll)

    @contextmanager
    def closed() -> Iterator[None]:
        yield
        theirs.close()  # its span is current until then

    cases = {
        "bare": Case(bare, number=100),
        "ours": Case(one, number=100),
        "peer": Case(statement("poll(1.0)", poll=theirs.poll), closed, number=100),
    }
    return added("confluent-kafka, poll", kind, _PEER, cases, effort.rounds // 2, one_in=4)


_BATCH = 500


def _batch(kind: str, headers: list[tuple[str, bytes]], effort: Effort) -> Row:
    """Each message of a batch, beside OpenTelemetry's cost of one message: it starts only one span for a batch."""
    theirs: Any = ConfluentKafkaInstrumentor.instrument_consumer(_Endless(headers), NoOpTracerProvider())  # type: ignore[arg-type]
    ours = SyntheticConsumer(_Endless(headers), on_refused="raise")  # type: ignore[arg-type]
    groups = "for group in consume(number, 1.0):\n    with group: pass"

    @contextmanager
    def closed() -> Iterator[None]:
        yield
        theirs.close()

    cases = {
        "bare": each_of(_BATCH, statement("consume(number, 1.0)", consume=_Endless(headers).consume, number=_BATCH)),
        "ours": each_of(_BATCH, statement(groups, consume=ours.consume, number=_BATCH)),
        "bare, one": Case(statement("poll(1.0)", poll=_Endless(headers).poll), number=100),
        "peer, one": Case(statement("poll(1.0)", poll=theirs.poll), closed, number=100),
    }
    times = interleaved(cases, effort.rounds // 6)
    added_by_peer = times.added("peer, one", "bare, one")
    what = f"confluent-kafka, each of {_BATCH} consumed, {kind}: added time"
    goal = at_most_one_in(10) if kind == "real" else None
    return Row(what, times.added("ours", "bare"), f"{_PEER}, poll", added_by_peer, goal)
