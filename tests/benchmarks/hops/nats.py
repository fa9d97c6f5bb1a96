"""NATS: what publishing a message, and handling one, cost more than the bare ones; nothing goes over a wire.

OpenTelemetry has no instrumentation for nats-py. The peer is what its users write by hand: a span, and the propagator.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from nats.aio.client import Client
from opentelemetry import context, propagate
from opentelemetry.trace import NoOpTracer, SpanKind

import synthetic
from synthetic_nats import admitting
from tests.benchmarks.measure import Case, Effort, interleaved
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import entry, mint, shared_key

_PEER = "OpenTelemetry by hand, no-op tracer"
_tracer = NoOpTracer()


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and received, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        yield _published("real", synthetic.real, effort)
        yield _consumed("real", None, effort)
        yield _published("simulated", lambda: synthetic.simulated(run="bench"), effort)
        yield _consumed("simulated", {"baggage": entry(mint(keys))}, effort)


def _row(what: str, kind: str, cases: dict[str, Case], effort: Effort) -> Row:
    times = interleaved(cases, effort.rounds // 2)
    goal = at_most_one_in(10) if kind == "real" else None
    ours, theirs = (times.added(case, "bare") for case in ("ours", "peer"))
    return Row(f"NATS, {what}, {kind}: added time", ours, _PEER, theirs, goal)


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
def _on() -> Iterator[None]:
    synthetic.instrument("nats")
    try:
        yield
    finally:
        synthetic.uninstrument("nats")


class _Nowhere(Client):
    """A connected client whose commands go nowhere."""

    is_closed = is_draining_pubs = False
    is_connected = True
    _max_payload = 1024

    async def _send_publish(self, *_: Any) -> None:
        pass


def _published(kind: str, work: Callable[[], Any], effort: Effort) -> Row:
    client = _Nowhere()

    async def by_hand() -> None:
        headers: dict[str, str] = {}
        with _tracer.start_as_current_span("rides send", kind=SpanKind.PRODUCER):
            propagate.inject(headers)
            await client.publish("rides", b"ride", headers=headers)

    def publish() -> Awaitable[None]:
        return client.publish("rides", b"ride")

    cases = {"bare": _case(publish, work), "ours": _case(publish, work, _on), "peer": _case(by_hand, work)}
    return _row("publish", kind, cases, effort)


def _consumed(kind: str, headers: dict[str, str] | None, effort: Effort) -> Row:
    msg: Any = SimpleNamespace(subject="rides", reply="", data=b"ride", headers=headers)

    async def handle(msg: Any) -> None:
        pass

    async def by_hand(msg: Any) -> None:
        attached = context.attach(propagate.extract(msg.headers or {}))
        try:
            with _tracer.start_as_current_span("rides receive", kind=SpanKind.CONSUMER):
                await handle(msg)
        finally:
            context.detach(attached)

    admitted = admitting(handle)
    cases = {
        "bare": _case(lambda: handle(msg)),
        "ours": _case(lambda: admitted(msg)),
        "peer": _case(lambda: by_hand(msg)),
    }
    return _row("consume", kind, cases, effort)
