"""What the tests of pika share: a channel, a queue, markers, and ways to wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

import synthetic
from synthetic._work.state import VERDICT
from tests.contract.messages import eventually
from tests.integrations.rabbitmq import Queue, channel_to
from tests.support.keys import entry, mint, shared_key

REAL: tuple[bool, str | None] = (False, None)
PEAK = (True, "peak")


@pytest.fixture(autouse=True)
def on(keys: dict[str, Any]) -> Iterator[None]:
    synthetic.configure(keys=keys)
    synthetic.instrument("pika")
    yield
    synthetic.uninstrument("pika")


@pytest.fixture
def channel(rabbitmq_port: int) -> Iterator[BlockingChannel]:
    with channel_to(rabbitmq_port) as channel:
        yield channel


@pytest.fixture
def queue(channel: BlockingChannel) -> Iterator[Queue]:
    queue = Queue(channel)
    yield queue
    if channel.is_open:
        queue.delete()


@pytest.fixture
def good(keys: dict[str, Any]) -> str:
    return entry(mint(keys, claims={"run": "peak"}))


FORGED = entry(mint(shared_key("test")))


def at_hand() -> tuple[bool, str | None]:
    marker = synthetic.current()
    assert VERDICT.get() is not None
    return marker is not None, marker and marker.run


def consume(channel: BlockingChannel, queue: Queue, *, count: int, **options: Any) -> list[Any]:
    """Consume until so many messages were handled; what was at hand in each, by its body."""
    seen: list[Any] = []

    def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        seen.append((body.decode(), at_hand()))
        if not options.get("auto_ack"):
            channel.basic_ack(method.delivery_tag)

    tag = channel.basic_consume(queue.name, handle, **options)
    eventually(lambda: channel.connection.process_data_events(0.01) or len(seen) >= count or None)
    channel.basic_cancel(tag)
    return seen


def turn(channel: BlockingChannel, *, until: Any) -> None:
    eventually(lambda: channel.connection.process_data_events(0.01) or until() or None)
