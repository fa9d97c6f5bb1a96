"""aio-pika: a producer and the header that arrived; a consumer and what it saw, or a dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aio_pika

import synthetic
from tests.integrations.rabbitmq import Queue
from tests.matrix.cases import Case, Hop, seen
from tests.matrix.hops.pika import a_queue, arrived


def _out(case: Case, port: int) -> str:
    synthetic.instrument("aio-pika")

    async def publish(channel: Any, queue: Queue) -> None:
        with case.work() as baggage:
            headers: Any = None if baggage is None else {"baggage": baggage}
            await channel.default_exchange.publish(aio_pika.Message(b"ride", headers=headers), queue.name)

    with a_queue(port) as (reading, queue):
        try:
            asyncio.run(_connected(port, queue, publish))
        except synthetic.UnverifiedMarker:
            assert queue.size() == 0
            return "refused"
        return arrived(reading, queue)


async def _connected(port: int, queue: Queue, do: Callable[[Any, Queue], Awaitable[Any]]) -> Any:
    async with await aio_pika.connect_robust(f"amqp://guest:guest@127.0.0.1:{port}/") as connection:
        return await asyncio.wait_for(do(await connection.channel(), queue), 60)


async def _by_callback(channel: Any, queue: Queue) -> str:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(message: Any) -> None:
        told.set_result(seen())
        await message.ack()

    await (await channel.get_queue(queue.name)).consume(handle)
    return await _first(told, queue)


async def _by_iterator(channel: Any, queue: Queue) -> str:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        async with (await channel.get_queue(queue.name)).iterator() as messages:
            async for message in messages:
                async with message.process():
                    told.set_result(seen())

    reading = asyncio.create_task(read())
    try:
        return await _first(told, queue)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _first(told: asyncio.Future[str], queue: Queue) -> str:
    """Return the report on the message, or that it became a dead letter."""
    while not told.done():
        if queue.has_dead_letter("ride"):
            return "refused"
        await asyncio.sleep(0.005)
    return told.result()


def _in(consume: Callable[[Any, Queue], Awaitable[str]]) -> Callable[[Case, int], str]:
    def pass_on(case: Case, port: int) -> str:
        synthetic.instrument("aio-pika")
        with a_queue(port) as (_, queue):
            queue.put("ride", case.joined())
            told: str = asyncio.run(_connected(port, queue, consume))
            return told

    return pass_on


def _contrib() -> None:
    from opentelemetry.instrumentation.aio_pika import AioPikaInstrumentor

    AioPikaInstrumentor().instrument()


HOPS: list[Hop] = [
    Hop("aio-pika, producer", "aio-pika", _out, {"contrib": _contrib}, brokers=("rabbitmq",)),
    Hop("aio-pika, consumer", "aio-pika", _in(_by_callback), {"contrib": _contrib}, brokers=("rabbitmq",)),
    Hop("aio-pika, consumer, iterator", "aio-pika", _in(_by_iterator), {"contrib": _contrib}, brokers=("rabbitmq",)),
]
