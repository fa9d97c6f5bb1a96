"""pika: the time that publishing a message, and handling one, takes on top of the bare ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.instrumentation.pika import PikaInstrumentor
from opentelemetry.instrumentation.pika.utils import _decorate_callback
from opentelemetry.trace import NoOpTracer, NoOpTracerProvider
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from synthetic_pika import admitting
from tests.benchmarks import messages
from tests.benchmarks.measure import Effort, statement
from tests.benchmarks.messages import Block, Cases, Received, Sent, bare_and_ours, case
from tests.benchmarks.table import Row


def rows(effort: Effort) -> Iterator[Row]:
    """Messages published and consumed, real and simulated."""
    peer = "OpenTelemetry pika, no-op tracer"
    return messages.rows("pika", peer, Sent("publish", _published), Received("consume", _consumed), effort)


class _Nowhere(Channel):
    """An open channel whose frames go nowhere."""

    def __init__(self) -> None:
        self._consumers = {}

    def _raise_if_not_open(self) -> None:
        pass

    def _send_method(self, method: Any, content: Any = None) -> None:
        pass


def _published(work: Block) -> Cases:
    def publish(channel: Channel) -> Any:
        # The attribute is looked up at each call: it changes while the benchmark runs.
        return statement("channel.basic_publish('', 'rides', b'ride')", channel=channel)

    theirs = _Nowhere()
    PikaInstrumentor.instrument_channel(theirs, tracer_provider=NoOpTracerProvider())
    return {**bare_and_ours("pika", publish(_Nowhere()), work), "peer": case(publish(theirs), work)}


def _consumed(baggage: str | None) -> Cases:
    def handle(channel: Any, method: Any, properties: Any, body: Any) -> None:
        pass

    properties = BasicProperties(headers=None if baggage is None else {"baggage": baggage})
    delivery = {"channel": _Nowhere(), "method": Basic.Deliver("tag", 1, False, "", "rides"), "body": b"ride"}
    handled = "handle(channel, method, properties, body)"
    callbacks = {"bare": handle, "ours": admitting(handle), "peer": _decorate_callback(handle, NoOpTracer(), "tag")}
    return {
        name: case(statement(handled, handle=callback, properties=properties, **delivery))
        for name, callback in callbacks.items()
    }
