"""A consumer that is killed while it handles a message: the message is delivered again, and is still simulated."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from nats.js.api import ConsumerConfig

import synthetic
from tests.integrations.nats.conftest import Run
from tests.products.nats import Session
from tests.support.killed import first_line_of
from tests.support.work import PEAK, in_force, until

CONSUMER = """
import asyncio, sys
import nats, synthetic

synthetic.instrument("nats")

async def handle(msg):
    print(synthetic.current().run, msg.metadata.num_delivered, flush=True)
    await asyncio.sleep(60)

async def main():
    client = await nats.connect(f"nats://127.0.0.1:{sys.argv[1]}", connect_timeout=60)
    js = client.jetstream()
    await js.subscribe_bind(sys.argv[2], (await js.consumer_info(sys.argv[2], "drivers")).config, "drivers", cb=handle)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("later", [0, 3600], ids=["at once", "after the token has expired"])
def test_a_message_that_is_delivered_again_is_still_simulated(
    run: Run, nats_port: int, keys: dict[str, Any], good: str, later: float
) -> None:
    async def scenario(session: Session) -> None:
        js = await session.jetstream()
        deliver = session.client.new_inbox()
        config = ConsumerConfig(durable_name="drivers", deliver_subject=deliver, ack_wait=0.5)
        await js.add_consumer(session.stream, config)
        await session.put("ride", good)
        line = await asyncio.to_thread(first_line_of, CONSUMER, nats_port, session.stream, keys=keys)
        assert line == "peak 1\n"
        synthetic.configure(keys=keys, clock=lambda: time.time() + later)
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            seen.append((msg.metadata.num_delivered > 1, in_force()))

        await js.subscribe_bind(session.stream, config, "drivers", cb=handle)
        await until(lambda: seen)
        assert seen == [(True, PEAK)]

    run(scenario)
