"""A consumer that is killed while it handles a message: the message is delivered again, and is still simulated."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.contract.messages import eventually
from tests.integrations.rabbitmq import Queue, channel_to
from tests.support.keys import entry, mint
from tests.support.servers import environment

CONSUMER = """
import sys, time
import pika, synthetic

synthetic.instrument("pika")
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1])))
channel = connection.channel()

def handle(channel, method, properties, body):
    print(synthetic.current().run, method.redelivered, flush=True)
    time.sleep(60)

channel.basic_consume(sys.argv[2], handle)
channel.start_consuming()
"""


@pytest.fixture(autouse=True)
def on() -> Iterator[None]:
    synthetic.instrument("pika")
    yield
    synthetic.uninstrument("pika")


@pytest.mark.parametrize("later", [0, 3600], ids=["at once", "after the token has expired"])
def test_a_message_that_is_delivered_again_is_still_simulated(
    rabbitmq_port: int, keys: dict[str, Any], later: float
) -> None:
    with channel_to(rabbitmq_port) as channel:
        queue = Queue(channel)
        queue.put("ride", entry(mint(keys, claims={"run": "peak"})))
        command = [sys.executable, "-c", CONSUMER, str(rabbitmq_port), queue.name]
        variables = environment() | {"SYNTHETIC_KEYS": json.dumps(keys)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as consumer:
            assert consumer.stdout is not None
            assert consumer.stdout.readline() == "peak False\n"
            consumer.kill()
        synthetic.configure(keys=keys, clock=lambda: time.time() + later)
        seen: list[Any] = []

        def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            seen.append((synthetic.current(), method.redelivered))
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume(queue.name, handle)
        eventually(lambda: channel.connection.process_data_events(0.01) or seen or None)
        queue.delete()
    ((marker, redelivered),) = seen
    assert (marker.run, redelivered) == ("peak", True)
