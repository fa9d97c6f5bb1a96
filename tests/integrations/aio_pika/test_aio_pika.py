"""aio-pika: callbacks and iterators, and a real RabbitMQ in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aio_pika
import pytest

import synthetic
from tests.contract.messages import Broker, MessageContract, Seen, eventually
from tests.integrations.rabbitmq import Queue, Refusals, channel_to
from tests.support.asyncio_thread import Loop


@pytest.fixture(autouse=True)
def on() -> Iterator[None]:
    synthetic.instrument("aio-pika")
    yield
    synthetic.uninstrument("aio-pika")


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


class AioPika:
    """The broker of the contract; ``way`` names how messages are consumed."""

    def __init__(self, port: int, loop: Loop, queue: Queue, way: str, connect: Any = aio_pika.connect_robust) -> None:
        self.queue = queue
        self.seen: dict[str, Seen] = {}
        self.refusals = Refusals()
        self._loop = loop
        self._url = f"amqp://guest:guest@127.0.0.1:{port}/"
        self._reading: asyncio.Task[None] | None = None
        loop.run(self._start(way, connect))

    async def _start(self, way: str, connect: Any) -> None:
        self.connection = await connect(self._url)
        self.channel = await self.connection.channel()
        consumed = await self.channel.get_queue(self.queue.name)
        if way == "callback":
            await consumed.consume(self._handle)
        else:
            self._reading = asyncio.create_task(self._read(consumed))

    def _note(self, message: Any) -> None:
        name = message.body.decode()
        self.seen[name] = Seen.now(name, message.headers.get("baggage"))

    async def _handle(self, message: Any) -> None:
        self._note(message)
        await message.ack()

    async def _read(self, consumed: Any) -> None:
        async with consumed.iterator() as messages:
            async for message in messages:
                async with message.process():
                    self._note(message)

    def send(self, name: str, baggage: str | None = None) -> None:
        self._loop.run(self._send(name, baggage))

    async def _send(self, name: str, baggage: str | None) -> None:
        headers: Any = None if baggage is None else {"baggage": baggage}
        message = aio_pika.Message(name.encode(), headers=headers)
        await self.channel.default_exchange.publish(message, self.queue.name)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        self.queue.put(name, ",".join(baggage) or None)

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: self.seen.get(name))
        return seen

    def refused(self, name: str) -> str:
        self.queue.dead_letter(name)
        assert name not in self.seen
        return self.refusals.reasons[-1]

    def close(self) -> None:
        self.refusals.close()
        self._loop.run(self._stop())
        self.queue.delete()

    async def _stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self.connection.close()


class TestCallback(MessageContract):
    our_part = "synthetic_aio_pika._out.outgoing"

    way = "callback"
    connect: Any = staticmethod(aio_pika.connect_robust)

    @pytest.fixture
    def broker(self, rabbitmq_port: int, loop: Loop, _configured: None) -> Iterator[Broker]:
        with channel_to(rabbitmq_port) as channel:
            broker = AioPika(rabbitmq_port, loop, Queue(channel), self.way, self.connect)
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
