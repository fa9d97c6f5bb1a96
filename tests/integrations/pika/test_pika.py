"""pika: messages over a blocking connection, and a real RabbitMQ in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.messages import Broker, MessageContract
from tests.products.pika import Pika
from tests.products.rabbitmq import Queue


class TestBlocking(MessageContract):
    our_part = "synthetic_pika._out.outgoing"

    @pytest.fixture
    def broker(self, rabbitmq_port: int, _configured: None, queue: Queue) -> Iterator[Broker]:
        broker = Pika(rabbitmq_port, queue)
        try:
            yield broker
        finally:
            broker.close()
