"""aio-pika, while OpenTelemetry instruments it as well: switched on and off in every order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aio_pika
import pytest
from aio_pika.patterns import RPC
from opentelemetry import baggage, context
from opentelemetry.instrumentation.utils import unwrap
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic._work.state import VERDICT, current_verdict
from tests.contract.messages import Broker
from tests.integrations.aio_pika.test_aio_pika import TestCallback as Contract
from tests.integrations.aio_pika.test_aio_pika import loop as loop
from tests.integrations.rabbitmq import Queue, channel_to
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import entry, mint

contrib = pytest.importorskip("opentelemetry.instrumentation.aio_pika")


@pytest.fixture
def theirs() -> Iterator[Any]:
    instrumentor = contrib.AioPikaInstrumentor()
    yield instrumentor
    synthetic.uninstrument("aio-pika")
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    synthetic.uninstrument("aio-pika")
    unwrap(aio_pika.Queue, "consume")  # below ours, it could not take its own off


def on(theirs: Any) -> None:
    theirs.instrument(tracer_provider=NoOpTracerProvider())


class TestAfterOurs(Contract):
    ours_first = True

    @pytest.fixture(autouse=True)
    def on(self, theirs: Any) -> None:
        steps = [lambda: synthetic.instrument("aio-pika"), lambda: on(theirs)]
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


class TestIterator(TestAfterOurs):
    way = "iterator"


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_remote_call_that_is_refused_fails_at_the_caller(
    rabbitmq_port: int, keys: dict[str, Any], theirs: Any, ours_first: bool
) -> None:
    synthetic.configure(keys=keys)
    steps = [lambda: synthetic.instrument("aio-pika"), lambda: on(theirs)]
    for step in steps if ours_first else reversed(steps):
        step()

    async def never() -> None:
        raise AssertionError

    async def main() -> None:
        async with await aio_pika.connect_robust(f"amqp://guest:guest@127.0.0.1:{rabbitmq_port}/") as connection:
            rpc = await RPC.create(await connection.channel())
            await rpc.register("never", never, auto_delete=True)
            with synthetic.simulated(run="stopped"):
                synthetic.configure(keys=keys, halt=["stopped"])
                with pytest.raises(asyncio.TimeoutError, match="timed-out"):
                    await asyncio.wait_for(rpc.proxy.never(), 60)
            await rpc.close()

    asyncio.run(main())


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
    does = {"ours on": lambda: synthetic.instrument("aio-pika"), "theirs off": theirs.uninstrument}
    does["ours off"] = lambda: synthetic.uninstrument("aio-pika")
    does["theirs on"] = lambda: on(theirs)
    is_on = False
    for step in steps:
        does[step]()
        is_on = step == "ours on" or (is_on and step != "ours off")
        with channel_to(rabbitmq_port) as channel, brought_by_opentelemetry("nonsense"):
            queue = Queue(channel)
            queue.put("one", entry(mint(keys, claims={"run": "peak"})))
            queue.put("two", None)
            seen = asyncio.run(consumed(rabbitmq_port, queue.name))
            queue.delete()
        runs = [verdict and verdict.marker and verdict.marker.run for verdict in seen]
        assert runs == ["peak" if is_on else None, None], step
        assert (seen[1] is not None) is is_on, step
        assert current_verdict() is None


async def consumed(port: int, queue: str) -> list[Any]:
    seen: list[Any] = []
    done = asyncio.Event()

    async def handle(message: Any) -> None:
        seen.append(VERDICT.get())
        if len(seen) == 2:
            done.set()

    async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{port}/") as connection:
        await (await (await connection.channel()).get_queue(queue)).consume(handle, no_ack=True)
        await asyncio.wait_for(done.wait(), 60)
    return seen
