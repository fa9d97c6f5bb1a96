"""What must hold for messages while OpenTelemetry instruments the product as well, in whichever order they start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from tests.contract.messages import Broker, MessageContract

ORDERS = {
    "inside": ("theirs on", "ours on", "theirs off", "ours off", "ours on"),
    "outside": ("ours on", "theirs on", "ours off", "theirs off", "ours on"),
    "outside-twice": ("ours on", "theirs on", "ours off", "ours on", "theirs off"),
}


def switches(product: str, theirs: Any) -> dict[str, Callable[[], Any]]:
    """The steps of an order."""
    return {
        "ours on": lambda: synthetic.instrument(product),
        "ours off": lambda: synthetic.uninstrument(product),
        "theirs on": lambda: theirs.instrument(tracer_provider=NoOpTracerProvider()),
        "theirs off": theirs.uninstrument,
    }


def both_on(product: str, theirs: Any, *, ours_first: bool) -> None:
    steps = ("ours on", "theirs on") if ours_first else ("theirs on", "ours on")
    for step in steps:
        switches(product, theirs)[step]()


class BesideOpenTelemetry(MessageContract):
    """``theirs`` is a fixture with OpenTelemetry's instrumentor, which it switches off at the end."""

    product: str
    ours_first = True

    @pytest.fixture(autouse=True)
    def on(self, theirs: Any) -> None:
        both_on(self.product, theirs, ours_first=self.ours_first)

    def test_the_callers_own_baggage_is_kept_behind_the_marker(self, broker: Broker) -> None:
        """Not here: OpenTelemetry replaces it with the baggage of its context. The marker is there all the same."""
        name = self.name()
        with synthetic.simulated(run="rush-hour"):
            ours = synthetic.headers()["baggage"]
            broker.send(name, "user=7")
        assert broker.handled(name).baggage == ours

    def test_baggage_that_opentelemetry_writes_is_kept_behind_the_marker(self, broker: Broker) -> None:
        name = self.name()
        attached = context.attach(baggage.set_baggage("user", "7"))
        try:
            with synthetic.simulated(run="rush-hour"):
                ours = synthetic.headers()["baggage"]
                broker.send(name)
        finally:
            context.detach(attached)
        assert broker.handled(name).baggage == f"{ours},user=7"
