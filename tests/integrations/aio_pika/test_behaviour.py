"""aio-pika, instrumented, still behaves as its documentation says."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import aio_pika
import aiormq
import pytest
from aio_pika.exceptions import PublishError
from aio_pika.patterns import RPC, Master, RejectMessage

import synthetic
from tests.docs.pages import names_defined_in
from tests.integrations.aio_pika.conftest import Run
from tests.products.rabbitmq import Queue, url
from tests.support.work import FORGED, PEAK, REAL, in_force, until


@pytest.mark.parametrize("headers", [None, {"attempt": 1, "baggage": "user=7"}])
def test_the_callers_message_stays_as_it_was(run: Run, queue: Queue, headers: Any) -> None:
    async def scenario(channel: Any) -> None:
        sent = aio_pika.Message(b"ride", headers=headers, content_type="text/plain", priority=3, expiration=60)
        before = dict(sent.headers)
        with synthetic.simulated(run="peak"):
            await channel.default_exchange.publish(sent, queue.name)
        with synthetic.real():
            await channel.default_exchange.publish(sent, queue.name)
        assert sent.headers == before
        source = await channel.get_queue(queue.name)
        simulated, real = await source.get(no_ack=True), await source.get(no_ack=True)
        assert (simulated.content_type, simulated.priority, simulated.expiration) == ("text/plain", 3, 60)
        assert simulated.headers["baggage"].startswith("synthetic-traffic=")
        assert dict(real.headers) == before

    run(scenario)


@pytest.mark.parametrize("work", [synthetic.real, lambda: synthetic.simulated(run="peak")], ids=["real", "simulated"])
def test_confirms_returns_and_transactions_work(run: Run, queue: Queue, rabbitmq_port: int, work: Any) -> None:
    async def scenario(channel: Any) -> None:
        exchange = channel.default_exchange
        assert isinstance(await exchange.publish(aio_pika.Message(b"confirmed"), queue.name), aiormq.spec.Basic.Ack)
        with pytest.raises(PublishError):
            await exchange.publish(aio_pika.Message(b"returned"), "no-such-queue")
        async with await aio_pika.connect(url(rabbitmq_port)) as connection:
            transacting = await connection.channel(publisher_confirms=False)
            rolled_back = transacting.transaction()
            await rolled_back.select()
            await transacting.default_exchange.publish(aio_pika.Message(b"dropped"), queue.name)
            await rolled_back.rollback()
            async with transacting.transaction():
                await transacting.default_exchange.publish(aio_pika.Message(b"kept"), queue.name)
        source = await channel.get_queue(queue.name)
        assert [(await source.get(no_ack=True)).body for _ in range(2)] == [b"confirmed", b"kept"]
        assert await source.get(fail=False) is None

    async def in_work(channel: Any) -> None:
        with work():
            await scenario(channel)

    run(in_work)


# The patterns


def test_remote_calls_run_under_the_callers_verdict_and_answer(run: Run) -> None:
    async def scenario(channel: Any) -> None:
        async def multiply(*, x: int, y: int) -> Any:
            return x * y, in_force()

        rpc = await RPC.create(channel)
        await rpc.register("multiply", multiply, auto_delete=True)
        with synthetic.simulated(run="peak"):
            assert await rpc.proxy.multiply(x=2, y=3) == (6, PEAK)
            assert in_force() == PEAK
        assert await rpc.proxy.multiply(x=2, y=3) == (6, REAL)
        await rpc.close()

    run(scenario)


def test_a_remote_call_that_is_refused_fails_at_the_caller(run: Run, keys: dict[str, Any]) -> None:
    """The dead-letter exchange of the pattern sends the request back; the caller must not wait for ever."""

    async def scenario(channel: Any) -> None:
        async def never() -> None:
            raise AssertionError

        rpc = await RPC.create(channel)
        await rpc.register("never", never, auto_delete=True)
        with synthetic.simulated(run="stopped"):
            synthetic.configure(keys=keys, halt=["stopped"])
            with pytest.raises(asyncio.TimeoutError):
                await rpc.proxy.never()
        await rpc.close()

    run(scenario)


def test_tasks_of_a_master_run_under_their_verdict(run: Run, queue: Queue) -> None:
    async def scenario(channel: Any) -> None:
        seen: list[Any] = []

        async def work(*, ride: int) -> None:
            seen.append((ride, in_force()))
            if ride == 1:
                raise RejectMessage(requeue=False)

        master = Master(channel)
        worker = await master.create_worker(f"{queue.name}-tasks", work, auto_delete=True)
        with synthetic.simulated(run="peak"):
            await master.proxy.__getattr__(f"{queue.name}-tasks")(ride=1)
        await master.proxy.__getattr__(f"{queue.name}-tasks")(ride=2)
        await until(lambda: len(seen) == 2)
        await worker.close()
        assert sorted(seen) == [(1, PEAK), (2, REAL)]

    run(scenario)


# On and off


def test_instrument_patches_once_and_uninstrument_restores_the_originals() -> None:
    synthetic.uninstrument("aio-pika")
    from aio_pika.message import ProcessContext
    from aio_pika.queue import QueueIterator

    targets: list[tuple[Any, str]] = [(aiormq.Channel, "basic_publish"), (aio_pika.Queue, "consume")]
    targets += [(QueueIterator, "__anext__"), (ProcessContext, "__aenter__"), (ProcessContext, "__aexit__")]
    originals = [vars(owner)[name] for owner, name in targets]
    synthetic.instrument("aio-pika")
    wrapped = [vars(owner)[name] for owner, name in targets]
    synthetic.instrument("aio-pika")
    assert [vars(owner)[name] for owner, name in targets] == wrapped
    for ours, original in zip(wrapped, originals, strict=True):
        assert ours is not original
        assert inspect.iscoroutinefunction(ours)
        assert inspect.signature(ours) == inspect.signature(original)
    synthetic.uninstrument("aio-pika")
    assert [vars(owner)[name] for owner, name in targets] == originals


# The examples of the page


@pytest.mark.parametrize("way", ["work", "work_by_hand", "work_explicitly"])
def test_the_examples_of_the_page_do_what_it_says(run: Run, capsys: pytest.CaptureFixture[str], way: str) -> None:
    page = names_defined_in("docs/integrations/aio_pika.md")  # switches it off at its end
    book = page["book"] if way != "work_explicitly" else page["book_explicitly"]
    if way != "work_explicitly":
        synthetic.instrument("aio-pika")

    async def scenario(channel: Any) -> None:
        await page["declare"](channel)
        try:
            with synthetic.simulated(run="peak"):
                await book(channel, b"one")
            await book(channel, b"two")
            forged: Any = {"baggage": FORGED}
            await channel.default_exchange.publish(aio_pika.Message(b"three", headers=forged), "rides")
            working = asyncio.create_task(page[way](channel))
            dead = await channel.get_queue("rides-dead")
            while (letter := await dead.get(fail=False, no_ack=True)) is None:
                await asyncio.sleep(0.005)
            assert letter.body == b"three"
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            assert await (await channel.get_queue("rides")).get(fail=False) is None
        finally:
            for name in ("rides", "rides-dead"):
                await channel.queue_delete(name)

    run(scenario)
    assert capsys.readouterr().out == "a simulated ride: one\n"
