"""aio-pika: the time that publishing a message, and handling one, takes on top of the bare ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import aio_pika
import aiormq
from opentelemetry.instrumentation.aio_pika.callback_decorator import CallbackDecorator
from opentelemetry.instrumentation.aio_pika.publish_decorator import PublishDecorator
from opentelemetry.trace import NoOpTracer
from yarl import URL

from synthetic_aio_pika import admitting
from tests.benchmarks import messages
from tests.benchmarks.measure import Effort
from tests.benchmarks.messages import Block, Cases, Received, Sent, awaited, bare_and_ours, case
from tests.benchmarks.table import Row


def rows(effort: Effort) -> Iterator[Row]:
    """Messages published and consumed, real and simulated."""
    peer = "OpenTelemetry aio-pika, no-op tracer"
    with _sending_nothing():
        yield from messages.rows("aio-pika", peer, Sent("publish", _published), Received("consume", _consumed), effort)


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


class _Channel(SimpleNamespace):
    """An open channel of aio-pika, on one of aiormq that was never connected."""

    is_closed = False
    _connection = SimpleNamespace(url=URL("amqp://127.0.0.1/"))
    _underlay = aiormq.Channel.__new__(aiormq.Channel)

    async def get_underlay_channel(self) -> Any:
        return self._underlay


def _published(work: Block) -> Cases:
    channel: Any = _Channel()
    exchange = aio_pika.Exchange(channel, "rides")
    traced = PublishDecorator(NoOpTracer(), exchange).decorate(exchange.publish)
    publish = awaited(lambda: exchange.publish(aio_pika.Message(b"ride"), "rides"))
    peer = awaited(lambda: traced(aio_pika.Message(b"ride"), "rides"))
    return {**bare_and_ours("aio-pika", publish, work), "peer": case(peer, work)}


def _consumed(baggage: str | None) -> Cases:
    headers = {} if baggage is None else {"baggage": baggage}
    properties = SimpleNamespace(message_id=None, correlation_id=None)
    facts = {"headers": headers, "exchange": "", "routing_key": "rides", "properties": properties}
    message: Any = SimpleNamespace(**facts, processed=False)  # not acknowledged yet
    queue: Any = SimpleNamespace(channel=_Channel())

    async def handle(message: Any) -> None:
        pass

    admitted = admitting(handle)
    traced = CallbackDecorator(NoOpTracer(), queue).decorate(handle)
    return {
        "bare": case(awaited(lambda: handle(message))),
        "ours": case(awaited(lambda: admitted(message))),
        "peer": case(awaited(lambda: traced(message))),
    }
