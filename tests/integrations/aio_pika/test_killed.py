"""A consumer that is killed while it handles a message: that is delivered again, and is still simulated."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

import synthetic
from tests.integrations.aio_pika.session import PEAK, Run, at_hand
from tests.integrations.aio_pika.session import good as good
from tests.integrations.aio_pika.session import on as on
from tests.integrations.aio_pika.session import queue as queue
from tests.integrations.aio_pika.session import run as run
from tests.integrations.rabbitmq import Queue
from tests.support.servers import environment

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
                    assert (each.redelivered, at_hand()) == (True, PEAK)
                break

    queue.put("ride", good)
    command = [sys.executable, "-c", CONSUMER, str(rabbitmq_port), queue.name]
    variables = environment() | {"SYNTHETIC_KEYS": json.dumps(keys)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as consumer:
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "peak False\n"
        consumer.kill()
    synthetic.configure(keys=keys, clock=lambda: time.time() + later)
    run(scenario)
