"""pika, while OpenTelemetry instruments it as well: switched on and off in every order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic._work.state import VERDICT, current_verdict
from tests.contract.messages import Broker
from tests.integrations.pika.test_pika import TestBlocking as Contract
from tests.integrations.rabbitmq import Queue, channel_to
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import entry, mint

contrib = pytest.importorskip("opentelemetry.instrumentation.pika")


@pytest.fixture
def theirs() -> Iterator[Any]:
    instrumentor = contrib.PikaInstrumentor()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    synthetic.uninstrument("pika")


class TestAfterOurs(Contract):
    ours_first = True

    @pytest.fixture(autouse=True)
    def on(self, theirs: Any) -> None:
        steps = [
            lambda: synthetic.instrument("pika"),
            lambda: theirs.instrument(tracer_provider=NoOpTracerProvider()),
        ]
        for step in steps if self.ours_first else reversed(steps):
            step()

    def test_the_callers_own_baggage_is_kept_behind_the_marker(self, broker: Broker) -> None:
        """OpenTelemetry replaces it with that of its context, where it has any: ours is there all the same."""
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


class TestBeforeOurs(TestAfterOurs):
    ours_first = False


@pytest.mark.parametrize(
    "steps",
    [
        ("theirs on", "ours on", "theirs off", "ours off", "ours on"),
        ("ours on", "theirs on", "ours off", "theirs off", "ours on"),
        ("ours on", "theirs on", "ours off", "ours on", "theirs off"),
    ],
    ids=["inside", "outside", "outside-twice"],
)
def test_whatever_opentelemetry_does_in_between_ours_is_on_when_it_was_switched_on(
    rabbitmq_port: int, keys: dict[str, Any], theirs: Any, steps: tuple[str, ...]
) -> None:
    synthetic.configure(keys=keys)
    does = {"ours on": lambda: synthetic.instrument("pika"), "theirs off": theirs.uninstrument}
    does["ours off"] = lambda: synthetic.uninstrument("pika")
    does["theirs on"] = lambda: theirs.instrument(tracer_provider=NoOpTracerProvider())
    is_on = False
    for step in steps:
        does[step]()
        is_on = step == "ours on" or (is_on and step != "ours off")
        with channel_to(rabbitmq_port) as channel:
            queue = Queue(channel)
            queue.put("one", entry(mint(keys, claims={"run": "peak"})))
            queue.put("two", None)
            seen: list[Any] = []
            channel.basic_consume(queue.name, lambda *_, seen=seen: seen.append(VERDICT.get()), auto_ack=True)
            with brought_by_opentelemetry("nonsense"):  # what somebody has left behind on this thread
                while len(seen) < 2:
                    channel.connection.process_data_events(0.01)
            queue.delete()
        runs = [verdict and verdict.marker and verdict.marker.run for verdict in seen]
        assert runs == ["peak" if is_on else None, None]
        assert (seen[1] is not None) is is_on
        assert current_verdict() is None
