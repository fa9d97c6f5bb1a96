"""pika, while OpenTelemetry instruments it as well: switched on and off in every order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from synthetic._work.state import VERDICT, current_verdict
from tests.contract.beside_opentelemetry import ORDERS, BesideOpenTelemetry, switches
from tests.integrations.pika.test_pika import TestBlocking as Contract
from tests.products.pika import instrumentor, receive
from tests.products.rabbitmq import queue_on
from tests.support.clients import brought_by_opentelemetry
from tests.support.work import is_on_after

pytest.importorskip("opentelemetry.instrumentation.pika")


@pytest.fixture(autouse=True)
def on() -> None:
    """Each test switches on by itself."""


@pytest.fixture
def theirs() -> Iterator[Any]:
    theirs = instrumentor()
    yield theirs
    if theirs.is_instrumented_by_opentelemetry:
        theirs.uninstrument()
    synthetic.uninstrument("pika")


class TestAfterOurs(BesideOpenTelemetry, Contract):
    product = "pika"


class TestBeforeOurs(TestAfterOurs):
    ours_first = False


@pytest.mark.parametrize("steps", ORDERS.values(), ids=ORDERS)
def test_messages_are_admitted_in_any_order_with_opentelemetry_while_ours_is_on(
    rabbitmq_port: int, keys: dict[str, Any], good: str, theirs: Any, steps: tuple[str, ...]
) -> None:
    synthetic.configure(keys=keys)
    for step, is_on in zip(steps, is_on_after(steps), strict=True):
        switches("pika", theirs)[step]()
        with queue_on(rabbitmq_port) as queue, brought_by_opentelemetry("nonsense"):  # left behind on this thread
            queue.put("one", good)
            queue.put("two", None)
            seen = receive(queue.channel, queue.name, lambda *_: VERDICT.get(), count=2, auto_ack=True)
        runs = [verdict and verdict.marker and verdict.marker.run for verdict in seen]
        assert runs == ["peak" if is_on else None, None], step
        assert (seen[1] is not None) is is_on, step
        assert current_verdict() is None
