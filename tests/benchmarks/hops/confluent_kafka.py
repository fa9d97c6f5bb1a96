"""confluent-kafka: what producing a message, and receiving one, cost more than the bare ones; no broker is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Message
from confluent_kafka.cimpl import Producer
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_confluent_kafka import SyntheticConsumer, SyntheticProducer
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import entry, mint, shared_key

_PEER = "OpenTelemetry confluent-kafka, no-op tracer"
_NOWHERE = {"bootstrap.servers": "127.0.0.1:9", "log_level": 0, "reconnect.backoff.ms": 10_000}


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and received, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        yield _produced("real", synthetic.real, effort)
        yield _consumed("real", [], effort)
        yield _produced("simulated", lambda: synthetic.simulated(run="bench"), effort)
        yield _consumed("simulated", [("baggage", entry(mint(keys)).encode())], effort)


def _row(what: str, kind: str, cases: dict[str, Case], effort: Effort) -> Row:
    times = interleaved(cases, effort.rounds // 2)
    goal = at_most_one_in(10) if kind == "real" else None
    ours, theirs = (times.added(case, "bare") for case in ("ours", "peer"))
    return Row(f"confluent-kafka, {what}, {kind}: added time", ours, _PEER, theirs, goal)


def _produced(kind: str, work: Callable[[], Any], effort: Effort) -> Row:
    def case(producer: Any, queue: Producer) -> Case:
        @contextmanager
        def around() -> Iterator[None]:
            with work():
                yield
            queue.purge()
            queue.poll(0)

        return Case(statement("produce('rides', b'ride')", produce=producer.produce), around, number=100)

    bare, ours, theirs = Producer(_NOWHERE), SyntheticProducer(_NOWHERE), Producer(_NOWHERE)
    proxy: Any = ConfluentKafkaInstrumentor.instrument_producer(theirs, NoOpTracerProvider())
    return _row(
        "produce", kind, {"bare": case(bare, bare), "ours": case(ours, ours), "peer": case(proxy, theirs)}, effort
    )


class _Endless:
    """A consumer that always has one more message, and takes every offset."""

    def __init__(self, headers: list[tuple[str, bytes]]) -> None:
        self._headers = headers
        self._offset = 0

    def poll(self, timeout: float = -1) -> Message:
        self._offset += 1
        return Message("rides", 0, self._offset, b"7", b"ride", self._headers)

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
    return _row("consume", kind, cases, effort)
