"""``shed="auto"`` in consumers of aio-pika: a simulated message that has no place goes back to its queue."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import synthetic
from tests.integrations.aio_pika.conftest import Run
from tests.products.rabbitmq import Queue
from tests.support.shedding import places, unhurried
from tests.support.work import PEAK, REAL, in_force, until


@pytest.mark.parametrize("ending", ["returns", "fails", "cancelled"])
def test_a_second_simulated_message_comes_later_and_a_real_one_at_once(
    run: Run, queue: Queue, good: str, keys: dict[str, Any], ending: str
) -> None:
    synthetic.configure(keys=keys, shed="auto")

    async def scenario(channel: Any) -> None:
        seen: list[Any] = []
        go_on = asyncio.Event()

        async def handle(message: Any) -> None:
            async with message.process():
                seen.append((message.body, in_force()))
                if message.body == b"first":
                    await go_on.wait()
                    if ending == "fails":
                        raise LookupError(message.body)
                    if ending == "cancelled":
                        raise asyncio.CancelledError

        await (await channel.get_queue(queue.name)).consume(handle)
        queue.put("first", good)
        await until(lambda: seen)
        with synthetic.ledger.recorded() as refused:
            queue.put("second", good)
            await until(lambda: len(refused) >= 2)  # it came again, and again
        queue.put("real", None)
        await until(lambda: len(seen) == 2)
        assert seen == [(b"first", PEAK), (b"real", REAL)]
        go_on.set()
        await until(lambda: len(seen) == 3)
        assert seen[2] == (b"second", PEAK)
        await until(lambda: not places())
        if ending == "returns":
            assert not queue.has_dead_letter("second")

    with unhurried():
        run(scenario)
