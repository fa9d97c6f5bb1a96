"""aio-pika: callbacks and iterators, and a real RabbitMQ in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import aio_pika
import pytest

from tests.contract.messages import Broker, MessageContract
from tests.products.aio_pika import AioPika
from tests.products.rabbitmq import Queue
from tests.support.asyncio_thread import Loop


class TestCallback(MessageContract):
    our_part = "synthetic_aio_pika._out.outgoing"

    way = "callback"
    connect: Any = staticmethod(aio_pika.connect_robust)

    @pytest.fixture
    def broker(self, rabbitmq_port: int, loop: Loop, _configured: None, queue: Queue) -> Iterator[Broker]:
        broker = AioPika(rabbitmq_port, loop, queue, self.way, self.connect)
        try:
            yield broker
        finally:
            broker.close()


class TestIterator(TestCallback):
    way = "iterator"


class TestPlainConnection(TestCallback):
    connect: Any = staticmethod(aio_pika.connect)


class TestPlainIterator(TestPlainConnection):
    way = "iterator"
