"""What the tests of aio-pika share: a channel to run in, a queue, markers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest

import synthetic
import synthetic_aio_pika._refusal
from synthetic._work.state import VERDICT, current_verdict
from tests.integrations.rabbitmq import Queue, channel_to
from tests.support.keys import entry, mint, shared_key

REAL: tuple[bool, str | None] = (False, None)
PEAK = (True, "peak")
FORGED = entry(mint(shared_key("test")))


@pytest.fixture(autouse=True)
def on(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    synthetic.configure(keys=keys)
    monkeypatch.setattr(synthetic_aio_pika._refusal, "PAUSE", 0.05)
    synthetic.instrument("aio-pika")
    yield
    synthetic.uninstrument("aio-pika")


@pytest.fixture
def good(keys: dict[str, Any]) -> str:
    return entry(mint(keys, claims={"run": "peak"}))


@pytest.fixture
def queue(rabbitmq_port: int) -> Iterator[Queue]:
    with channel_to(rabbitmq_port) as channel:
        queue = Queue(channel)
        yield queue
        queue.delete()


Run = Callable[[Callable[[Any], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def run(rabbitmq_port: int) -> Run:
    """Runs a coroutine function with a channel of its own, and checks that it leaves nothing behind."""

    @asynccontextmanager
    async def channel() -> AsyncIterator[Any]:
        connection = await aio_pika.connect_robust(f"amqp://guest:guest@127.0.0.1:{rabbitmq_port}/")
        async with connection:
            yield await connection.channel(on_return_raises=True)

    async def main(function: Any) -> Any:
        async with channel() as opened:
            given = await asyncio.wait_for(function(opened), 60)
            assert current_verdict() is None
            return given

    return lambda function: asyncio.run(main(function))


def at_hand() -> tuple[bool, str | None]:
    marker = synthetic.current()
    assert VERDICT.get() is not None
    return marker is not None, marker and marker.run


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
