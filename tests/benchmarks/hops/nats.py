"""NATS: the time that publishing a message, and handling one, takes on top of the bare ones.

OpenTelemetry has no instrumentation for nats-py. The peer is what its users write by hand: a span, and the propagator.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from types import SimpleNamespace
from typing import Any

from nats.aio.client import Client
from opentelemetry import context, propagate
from opentelemetry.trace import NoOpTracer, SpanKind

from synthetic_nats import admitting
from tests.benchmarks import messages
from tests.benchmarks.measure import Effort
from tests.benchmarks.messages import Block, Cases, Received, Sent, awaited, bare_and_ours, case
from tests.benchmarks.table import Row

_tracer = NoOpTracer()


def rows(effort: Effort) -> Iterator[Row]:
    """Messages published and consumed, real and simulated."""
    peer = "OpenTelemetry by hand, no-op tracer"
    return messages.rows("NATS", peer, Sent("publish", _published), Received("consume", _consumed), effort)


class _Nowhere(Client):
    """A connected client whose commands go nowhere."""

    is_closed = is_draining_pubs = False
    is_connected = True
    _max_payload = 1024

    async def _send_publish(self, *_: Any) -> None:
        pass


def _published(work: Block) -> Cases:
    client = _Nowhere()

    async def by_hand() -> None:
        headers: dict[str, str] = {}
        with _tracer.start_as_current_span("rides send", kind=SpanKind.PRODUCER):
            propagate.inject(headers)
            await client.publish("rides", b"ride", headers=headers)

    def publish() -> Awaitable[None]:
        return client.publish("rides", b"ride")

    return {**bare_and_ours("nats", awaited(publish), work), "peer": case(awaited(by_hand), work)}


def _consumed(baggage: str | None) -> Cases:
    headers = None if baggage is None else {"baggage": baggage}
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
    return {
        "bare": case(awaited(lambda: handle(msg))),
        "ours": case(awaited(lambda: admitted(msg))),
        "peer": case(awaited(lambda: by_hand(msg))),
    }
