"""pika: what publishing a message, and handling one, cost more than the bare ones; nothing goes over a wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from opentelemetry.instrumentation.pika import PikaInstrumentor
from opentelemetry.instrumentation.pika.utils import _decorate_callback
from opentelemetry.trace import NoOpTracer, NoOpTracerProvider
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

import synthetic
from synthetic_pika import admitting
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import entry, mint, shared_key

_PEER = "OpenTelemetry pika, no-op tracer"


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and received, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        yield _published("real", synthetic.real, effort)
        yield _consumed("real", BasicProperties(), effort)
        yield _published("simulated", lambda: synthetic.simulated(run="bench"), effort)
        yield _consumed("simulated", BasicProperties(headers={"baggage": entry(mint(keys))}), effort)


def _row(what: str, kind: str, cases: dict[str, Case], effort: Effort) -> Row:
    times = interleaved(cases, effort.rounds // 2)
    goal = at_most_one_in(10) if kind == "real" else None
    ours, theirs = (times.added(case, "bare") for case in ("ours", "peer"))
    return Row(f"pika, {what}, {kind}: added time", ours, _PEER, theirs, goal)


class _Nowhere(Channel):
    """An open channel whose frames go nowhere."""

    def __init__(self) -> None:
        self._consumers = {}

    def _raise_if_not_open(self) -> None:
        pass

    def _send_method(self, method: Any, content: Any = None) -> None:
        pass


def _published(kind: str, work: Callable[[], Any], effort: Effort) -> Row:
    @contextmanager
    def around(installed: Callable[[], Any]) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(work())
            stack.enter_context(installed())
            yield

    def case(channel: Channel, installed: Callable[[], Any] = nullcontext) -> Case:
        # The attribute is looked up at each call: it changes while the benchmark runs.
        publish = statement("channel.basic_publish('', 'rides', b'ride')", channel=channel)
        return Case(publish, lambda: around(installed), number=100, warm=150)

    theirs = _Nowhere()
    PikaInstrumentor.instrument_channel(theirs, tracer_provider=NoOpTracerProvider())
    cases = {"bare": case(_Nowhere()), "ours": case(_Nowhere(), _on), "peer": case(theirs)}
    return _row("publish", kind, cases, effort)


@contextmanager
def _on() -> Iterator[None]:
    synthetic.instrument("pika")
    try:
        yield
    finally:
        synthetic.uninstrument("pika")


def _consumed(kind: str, properties: BasicProperties, effort: Effort) -> Row:
    def handle(channel: Any, method: Any, properties: Any, body: Any) -> None:
        pass

    def case(callback: Any) -> Case:
        delivery = {"channel": _Nowhere(), "method": Basic.Deliver("tag", 1, False, "", "rides"), "body": b"ride"}
        handled = "handle(channel, method, properties, body)"
        return Case(statement(handled, handle=callback, properties=properties, **delivery), number=100, warm=150)

    theirs = _decorate_callback(handle, NoOpTracer(), "tag")
    return _row("consume", kind, {"bare": case(handle), "ours": case(admitting(handle)), "peer": case(theirs)}, effort)
