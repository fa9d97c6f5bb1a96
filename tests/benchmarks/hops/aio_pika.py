"""aio-pika: what publishing a message, and handling one, cost more than the bare ones; nothing goes over a wire."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import aio_pika
import aiormq
from opentelemetry.instrumentation.aio_pika.callback_decorator import CallbackDecorator
from opentelemetry.instrumentation.aio_pika.publish_decorator import PublishDecorator
from opentelemetry.trace import NoOpTracer
from yarl import URL

import synthetic
from synthetic_aio_pika import admitting
from tests.benchmarks.measure import Case, Effort, interleaved
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import entry, mint, shared_key

_PEER = "OpenTelemetry aio-pika, no-op tracer"


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and received, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys), _sending_nothing():
        yield _published("real", synthetic.real, effort)
        yield _consumed("real", {}, effort)
        yield _published("simulated", lambda: synthetic.simulated(run="bench"), effort)
        yield _consumed("simulated", {"baggage": entry(mint(keys))}, effort)


def _row(what: str, kind: str, cases: dict[str, Case], effort: Effort) -> Row:
    times = interleaved(cases, effort.rounds // 2)
    goal = at_most_one_in(10) if kind == "real" else None
    ours, theirs = (times.added(case, "bare") for case in ("ours", "peer"))
    return Row(f"aio-pika, {what}, {kind}: added time", ours, _PEER, theirs, goal)


def _case(
    step: Callable[[], Awaitable[Any]],
    work: Callable[[], Any] = nullcontext,
    installed: Callable[[], Any] = nullcontext,
) -> Case:
    """Run ``step()`` to its end, which no event loop is needed for: it waits for nothing."""

    def run(number: int) -> float:
        start = time.process_time()
        for _ in range(number):
            try:
                step().__await__().send(None)
            except StopIteration:
                pass
        return time.process_time() - start

    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(work())
            stack.enter_context(installed())
            yield

    return Case(run, around, number=100, warm=150)


@contextmanager
def _sending_nothing() -> Iterator[None]:
    original = aiormq.Channel.basic_publish

    async def basic_publish(channel: Any, body: Any, *, properties: Any = None, **_: Any) -> None:
        pass

    replaced: Any = aiormq.Channel
    replaced.basic_publish = basic_publish
    try:
        yield
    finally:
        replaced.basic_publish = original


@contextmanager
def _on() -> Iterator[None]:
    synthetic.instrument("aio-pika")
    try:
        yield
    finally:
        synthetic.uninstrument("aio-pika")


class _Channel(SimpleNamespace):
    """An open channel of aio-pika, on one of aiormq that was never connected."""

    is_closed = False
    _connection = SimpleNamespace(url=URL("amqp://127.0.0.1/"))
    _underlay = aiormq.Channel.__new__(aiormq.Channel)

    async def get_underlay_channel(self) -> Any:
        return self._underlay


def _published(kind: str, work: Callable[[], Any], effort: Effort) -> Row:
    channel: Any = _Channel()
    exchange = aio_pika.Exchange(channel, "rides")
    traced = PublishDecorator(NoOpTracer(), exchange).decorate(exchange.publish)

    def publish() -> Awaitable[Any]:
        return exchange.publish(aio_pika.Message(b"ride"), "rides")

    cases = {
        "bare": _case(publish, work),
        "ours": _case(publish, work, _on),
        "peer": _case(lambda: traced(aio_pika.Message(b"ride"), "rides"), work),
    }
    return _row("publish", kind, cases, effort)


def _consumed(kind: str, headers: dict[str, Any], effort: Effort) -> Row:
    properties = SimpleNamespace(message_id=None, correlation_id=None)
    message: Any = SimpleNamespace(headers=headers, exchange="", routing_key="rides", properties=properties)
    queue: Any = SimpleNamespace(channel=_Channel())

    async def handle(message: Any) -> None:
        pass

    admitted = admitting(handle)
    traced = CallbackDecorator(NoOpTracer(), queue).decorate(handle)
    cases = {
        "bare": _case(lambda: handle(message)),
        "ours": _case(lambda: admitted(message)),
        "peer": _case(lambda: traced(message)),
    }
    return _row("consume", kind, cases, effort)
