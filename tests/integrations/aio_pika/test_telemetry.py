"""aio-pika, while OpenTelemetry instruments it as well: switched on and off in every order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aio_pika
import pytest
from aio_pika.patterns import RPC
from opentelemetry.instrumentation.utils import unwrap

import synthetic
from synthetic._work.state import VERDICT, current_verdict
from tests.contract.beside_opentelemetry import ORDERS, BesideOpenTelemetry, both_on, switches
from tests.integrations.aio_pika.conftest import Run
from tests.integrations.aio_pika.test_aio_pika import TestCallback as Contract
from tests.products.aio_pika import instrumentor
from tests.products.rabbitmq import queue_on, url
from tests.support.clients import brought_by_opentelemetry
from tests.support.work import is_on_after

pytest.importorskip("opentelemetry.instrumentation.aio_pika")


@pytest.fixture(autouse=True)
def on() -> None:
    """Each test switches on by itself."""


@pytest.fixture
def theirs() -> Iterator[Any]:
    theirs = instrumentor()
    yield theirs
    synthetic.uninstrument("aio-pika")
    if theirs.is_instrumented_by_opentelemetry:
        theirs.uninstrument()
    synthetic.uninstrument("aio-pika")
    unwrap(aio_pika.Queue, "consume")  # below ours, it could not take its own off


class TestAfterOurs(BesideOpenTelemetry, Contract):
    product = "aio-pika"


class TestBeforeOurs(TestAfterOurs):
    ours_first = False


class TestIterator(TestAfterOurs):
    way = "iterator"


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_remote_call_that_is_refused_fails_at_the_caller(
    run: Run, keys: dict[str, Any], theirs: Any, ours_first: bool
) -> None:
    synthetic.configure(keys=keys)
    both_on("aio-pika", theirs, ours_first=ours_first)

    async def never() -> None:
        raise AssertionError

    async def scenario(channel: Any) -> None:
        rpc = await RPC.create(channel)
        await rpc.register("never", never, auto_delete=True)
        with synthetic.simulated(run="stopped"):
            synthetic.configure(keys=keys, halt=["stopped"])
            with pytest.raises(asyncio.TimeoutError, match="timed-out"):
                await asyncio.wait_for(rpc.proxy.never(), 60)
        await rpc.close()

    run(scenario)


@pytest.mark.parametrize("steps", ORDERS.values(), ids=ORDERS)
def test_messages_are_admitted_in_any_order_with_opentelemetry_while_ours_is_on(
    rabbitmq_port: int, keys: dict[str, Any], good: str, theirs: Any, steps: tuple[str, ...]
) -> None:
    synthetic.configure(keys=keys)
    for step, is_on in zip(steps, is_on_after(steps), strict=True):
        switches("aio-pika", theirs)[step]()
        with queue_on(rabbitmq_port) as queue, brought_by_opentelemetry("nonsense"):
            queue.put("one", good)
            queue.put("two", None)
            seen = asyncio.run(consumed(rabbitmq_port, queue.name))
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

    async with await aio_pika.connect(url(port)) as connection:
        await (await (await connection.channel()).get_queue(queue)).consume(handle, no_ack=True)
        await asyncio.wait_for(done.wait(), 60)
    return seen
