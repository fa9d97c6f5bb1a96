"""A consumer that is killed while it handles a message: the message is delivered again, and is still simulated."""

from __future__ import annotations

import time
from typing import Any

import pytest

import synthetic
from tests.products.pika import receive
from tests.products.rabbitmq import Queue
from tests.support.killed import first_line_of
from tests.support.work import PEAK, in_force

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


@pytest.mark.parametrize("later", [0, 3600], ids=["at once", "after the token has expired"])
def test_a_message_that_is_delivered_again_is_still_simulated(
    rabbitmq_port: int, queue: Queue, keys: dict[str, Any], good: str, later: float
) -> None:
    queue.put("ride", good)
    assert first_line_of(CONSUMER, rabbitmq_port, queue.name, keys=keys) == "peak False\n"
    synthetic.configure(keys=keys, clock=lambda: time.time() + later)
    (seen,) = receive(queue.channel, queue.name, lambda method, _: (in_force(), method.redelivered), count=1)
    assert seen == (PEAK, True)
