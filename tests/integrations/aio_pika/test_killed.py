"""A consumer that is killed while it handles a message: the message is delivered again, and is still simulated."""

from __future__ import annotations

import time
from typing import Any

import pytest

import synthetic
from tests.integrations.aio_pika.conftest import Run
from tests.products.rabbitmq import Queue
from tests.support.killed import first_line_of
from tests.support.work import PEAK, in_force

CONSUMER = """
import asyncio, sys
import aio_pika, synthetic

synthetic.instrument("aio-pika")

async def main():
    connection = await aio_pika.connect_robust(f"amqp://guest:guest@127.0.0.1:{sys.argv[1]}/")
    queue = await (await connection.channel()).get_queue(sys.argv[2])
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():
                print(synthetic.current().run, message.redelivered, flush=True)
                await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("later", [0, 3600], ids=["at once", "after the token has expired"])
def test_a_message_that_is_delivered_again_is_still_simulated(
    rabbitmq_port: int, run: Run, queue: Queue, keys: dict[str, Any], good: str, later: float
) -> None:
    async def scenario(channel: Any) -> None:
        async with (await channel.get_queue(queue.name)).iterator() as messages:
            async for each in messages:
                async with each.process():
                    assert (each.redelivered, in_force()) == (True, PEAK)
                break

    queue.put("ride", good)
    assert first_line_of(CONSUMER, rabbitmq_port, queue.name, keys=keys) == "peak False\n"
    synthetic.configure(keys=keys, clock=lambda: time.time() + later)
    run(scenario)
