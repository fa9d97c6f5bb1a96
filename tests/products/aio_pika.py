"""aio-pika: connections, and a consumer with a callback or an iterator, on the loop of a thread or of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aio_pika

from tests.products import rabbitmq
from tests.products.rabbitmq import Queue, url
from tests.support.asyncio_thread import Loop
from tests.support.servers import PATIENCE

needs = rabbitmq.needs


def instrumentor() -> Any:
    """OpenTelemetry's instrumentation."""
    from opentelemetry.instrumentation.aio_pika import AioPikaInstrumentor

    return AioPikaInstrumentor()


def contrib() -> None:
    instrumentor().instrument()


@asynccontextmanager
async def channel_to(port: int, **options: Any) -> AsyncIterator[Any]:
    async with await aio_pika.connect_robust(url(port)) as connection:
        yield await connection.channel(**options)


def run(port: int, function: Callable[[Any], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    """Run a coroutine function with a channel, on an event loop of its own."""

    async def main() -> Any:
        async with channel_to(port, **options) as channel:
            return await asyncio.wait_for(function(channel), PATIENCE)

    return asyncio.run(main())


async def send(channel: Any, queue: str, body: str, baggage: str | None = None) -> None:
    headers: Any = None if baggage is None else {"baggage": baggage}
    await channel.default_exchange.publish(aio_pika.Message(body.encode(), headers=headers), queue)


@asynccontextmanager
async def consuming(channel: Any, queue: str, way: str, note: Callable[[Any], Any]) -> AsyncIterator[None]:
    """Consume until the block ends, by ``"callback"`` or ``"iterator"``; ``note`` is called with each message."""
    source = await channel.get_queue(queue)

    async def handle(message: Any) -> None:
        note(message)
        await message.ack()

    async def read() -> None:
        async with source.iterator() as messages:
            async for message in messages:
                async with message.process():
                    note(message)

    if way == "callback":
        await source.consume(handle)
        yield
        return
    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


class AioPika(rabbitmq.Consumed):
    """The broker of the contract; ``way`` is how it consumes."""

    def __init__(self, port: int, loop: Loop, queue: Queue, way: str, connect: Any) -> None:
        super().__init__(queue)
        self._loop = loop
        loop.run(self._start(connect, port, way))

    async def _start(self, connect: Any, port: int, way: str) -> None:
        self._connection = await connect(url(port))
        self._channel = await self._connection.channel()
        self._consuming = consuming(self._channel, self.queue.name, way, self._note)
        await self._consuming.__aenter__()

    def _note(self, message: Any) -> None:
        self.note(message.body.decode(), message.headers.get("baggage"))

    def send(self, name: str, baggage: str | None = None) -> None:
        self._loop.run(send(self._channel, self.queue.name, name, baggage))

    def close(self) -> None:
        super().close()
        self._loop.run(self._stop())

    async def _stop(self) -> None:
        await self._consuming.__aexit__(None, None, None)
        await self._connection.close()
