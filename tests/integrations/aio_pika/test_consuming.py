"""aio-pika: every way to receive a message."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest

import synthetic
from synthetic_aio_pika import admitting, message
from tests.integrations.aio_pika.conftest import Run
from tests.products.rabbitmq import Queue
from tests.support.work import FORGED, PEAK, REAL, in_force, until


def test_callbacks_run_at_the_same_time_each_with_its_own_verdict(run: Run, queue: Queue, good: str) -> None:
    async def scenario(channel: Any) -> None:
        seen: dict[str, Any] = {}
        both = asyncio.Event()

        async def handle(message: Any) -> None:
            async with message.process():
                seen[message.body.decode()] = None
                if len(seen) == 2:
                    both.set()
                await both.wait()
                seen[message.body.decode()] = in_force()

        await (await channel.get_queue(queue.name)).consume(handle)
        queue.put("one", good)
        queue.put("two", None)
        await until(lambda: all(seen.get(name) for name in ("one", "two")))
        assert seen == {"one": PEAK, "two": REAL}

    run(scenario)


@pytest.mark.parametrize("requeue", [False, True])
def test_an_exception_in_a_process_block_still_rejects_or_requeues_the_message(
    run: Run, queue: Queue, good: str, requeue: bool
) -> None:
    async def scenario(channel: Any) -> None:
        queue.put("one", good)
        source = await channel.get_queue(queue.name)
        with pytest.raises(LookupError) as error:
            async with (await source.get()).process(requeue=requeue):
                raise LookupError(in_force())
        assert error.value.args == (PEAK,)
        if requeue:
            async with (await source.get()).process(requeue=True) as again:
                assert (again.redelivered, in_force()) == (True, PEAK)
        else:
            await asyncio.to_thread(queue.dead_letter, "one")

    run(scenario)


def test_cancelling_a_handler_leaves_its_message_to_be_delivered_again(run: Run, queue: Queue, good: str) -> None:
    async def scenario(channel: Any) -> None:
        began = asyncio.Event()

        async def handle() -> None:
            async with (await source.get()).process(requeue=True):
                began.set()
                await asyncio.sleep(60)

        queue.put("one", good)
        source = await channel.get_queue(queue.name)
        task = asyncio.create_task(handle())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: queue.size() == 1)

    run(scenario)


@pytest.mark.parametrize("way", ["callback", "iterator"])
def test_a_message_that_is_shed_goes_back_to_the_queue_and_blocks_no_other(
    run: Run, queue: Queue, good: str, keys: dict[str, Any], way: str
) -> None:
    async def scenario(channel: Any) -> None:
        asked: list[None] = []
        synthetic.configure(keys=keys, shed=lambda: asked.append(None) or len(asked) < 3)
        queue.put("later", good)
        queue.put("real", None)
        seen: list[Any] = []

        async def handle(message: Any) -> None:
            async with message.process():
                seen.append((message.body, in_force()))

        source = await channel.get_queue(queue.name)
        if way == "callback":
            await source.consume(handle)
            await until(lambda: len(seen) == 2)
        else:
            async with source.iterator() as messages:
                async for each in messages:
                    await handle(each)
                    if len(seen) == 2:
                        break
        assert seen == [(b"real", REAL), (b"later", PEAK)]

    run(scenario)


def test_a_refused_message_under_no_ack_is_dropped_and_the_consumer_goes_on(
    run: Run, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(channel: Any) -> None:
        seen: list[Any] = []

        async def handle(message: Any) -> None:
            seen.append((message.body, in_force()))

        source = await channel.get_queue(queue.name)
        await source.consume(handle, no_ack=True)
        queue.put("forged", FORGED)
        queue.put("real", None)
        await until(lambda: seen)
        assert seen == [(b"real", REAL)]

    run(scenario)
    assert any(record.exc_info and record.exc_info[0] is synthetic.MessageRefused for record in caplog.records)


def test_a_message_from_get_is_refused_by_its_process_block(run: Run, queue: Queue) -> None:
    async def scenario(channel: Any) -> None:
        queue.put("forged", FORGED)
        got = await (await channel.get_queue(queue.name)).get()
        with pytest.raises(synthetic.MessageRefused):
            async with got.process(requeue=True, ignore_processed=True):
                raise AssertionError
        assert got.processed
        await asyncio.to_thread(queue.dead_letter, "forged")

    run(scenario)


def test_message_admits_a_message_that_the_caller_acknowledges(run: Run, queue: Queue, good: str) -> None:
    async def scenario(channel: Any) -> None:
        source = await channel.get_queue(queue.name)
        seen: list[Any] = []
        for name, baggage in (("one", good), ("two", None), ("forged", FORGED)):
            queue.put(name, baggage)
            got = await source.get()
            try:
                async with message(got) as marker:
                    assert marker == synthetic.current()
                    seen.append(in_force())
                    await got.ack()
            except synthetic.MessageRefused as error:
                seen.append(error.reason.value)
        assert seen == [PEAK, REAL, "bad-signature"]
        await asyncio.to_thread(queue.dead_letter, "forged")

    run(scenario)


def test_admitting_covers_a_callback_without_instrument(run: Run, queue: Queue, good: str) -> None:
    synthetic.uninstrument("aio-pika")

    async def scenario(channel: Any) -> None:
        seen: list[Any] = []

        async def handle(message: Any) -> None:
            """Handle it."""
            seen.append((message.body, in_force()))
            await message.ack()

        covered: Any = admitting(handle)
        assert (covered.__name__, covered.__doc__) == ("handle", "Handle it.")
        await (await channel.get_queue(queue.name)).consume(covered)
        for name, baggage in (("one", good), ("forged", FORGED), ("three", None)):
            queue.put(name, baggage)
        await until(lambda: len(seen) == 2)
        assert seen == [(b"one", PEAK), (b"three", REAL)]

    run(scenario)
    assert queue.dead_letter("forged")


def test_a_callback_that_is_not_a_coroutine_function_gets_no_further_warnings(
    run: Run, queue: Queue, good: str
) -> None:
    seen: list[Any] = []

    def handle(message: Any) -> None:
        seen.append(in_force())

    async def scenario(channel: Any) -> None:
        source = await channel.get_queue(queue.name)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await source.consume(handle, no_ack=True)
            queue.put("one", good)
            await until(lambda: seen)
        assert [warning.category for warning in caught] == [DeprecationWarning] * 2  # on consuming, and on its result

    run(scenario)
    assert seen == [PEAK]
