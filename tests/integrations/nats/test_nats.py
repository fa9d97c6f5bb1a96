"""nats-py: core NATS and JetStream, and a real server in between."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client

import synthetic
from synthetic_nats import message
from tests.contract.messages import Broker, MessageContract, Seen, eventually
from tests.support.asyncio_thread import Loop

ADVISORY = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>"


@pytest.fixture(autouse=True)
def on() -> Iterator[None]:
    synthetic.instrument("nats")
    yield
    synthetic.uninstrument("nats")


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


async def publish_raw(client: Client, subject: str, body: bytes, headers: Any) -> None:
    """Publish past every wrapper."""
    await inspect.unwrap(Client.publish)(client, subject, body, "", headers)


class Core:
    """The broker of the contract, without JetStream."""

    def __init__(self, port: int, loop: Loop) -> None:
        self.seen: dict[str, Seen] = {}
        self.errors: list[Exception] = []
        self.subject = f"rides.{uuid4().hex}"
        self._loop = loop
        loop.run(self._start(f"nats://127.0.0.1:{port}"))

    async def _start(self, url: str) -> None:
        self.client = await nats.connect(url, connect_timeout=60, error_cb=self._failed)
        await self._subscribe()
        await self.client.flush()

    async def _subscribe(self) -> None:
        await self.client.subscribe(self.subject, cb=self._handle)

    async def _failed(self, error: Exception) -> None:
        self.errors.append(error)

    async def _handle(self, msg: Any) -> None:
        name = msg.data.decode()
        self.seen[name] = Seen.now(name, (msg.headers or {}).get("baggage"))

    def send(self, name: str, baggage: str | None = None) -> None:
        self._loop.run(self._send(name, None if baggage is None else {"baggage": baggage}))

    async def _send(self, name: str, headers: Any) -> None:
        await self.client.publish(self.subject, name.encode(), headers=headers)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        headers = {"baggage": ",".join(baggage)} if baggage else None
        self._loop.run(publish_raw(self.client, self.subject, name.encode(), headers))

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: self.seen.get(name))
        return seen

    def refused(self, name: str) -> str:
        error = eventually(lambda: self.errors.pop(0) if self.errors else None)
        assert name not in self.seen
        assert isinstance(error, synthetic.MessageRefused)
        return error.reason.value

    def close(self) -> None:
        self._loop.run(self._stop())

    async def _stop(self) -> None:
        await self.client.close()


class JetStream(Core):
    """A stream, a durable consumer with a callback, and the server's word on what it was told to give up."""

    async def _subscribe(self) -> None:
        self.stream = self.subject.replace(".", "-")
        self.given_up: dict[str, Any] = {}
        self.js = self.client.jetstream()
        await self.js.add_stream(name=self.stream, subjects=[self.subject])
        await self.client.subscribe(ADVISORY, cb=self._advised)
        await self._consume()

    async def _consume(self) -> None:
        await self.js.subscribe(self.subject, durable="drivers", cb=self._handle)

    async def _advised(self, msg: Any) -> None:
        told = json.loads(msg.data)
        if told["stream"] == self.stream:
            stored = await self.js.get_msg(self.stream, told["stream_seq"])
            self.given_up[stored.data.decode()] = told

    async def _send(self, name: str, headers: Any) -> None:
        await self.js.publish(self.subject, name.encode(), headers=headers)

    def refused(self, name: str) -> str:
        eventually(lambda: self.given_up.get(name))
        return super().refused(name)

    async def _stop(self) -> None:
        await self.js.delete_stream(self.stream)
        await super()._stop()


class Pull(JetStream):
    """The same, where messages are fetched."""

    async def _consume(self) -> None:
        subscription = await self.js.pull_subscribe(self.subject, durable="drivers")
        self._reading = asyncio.create_task(self._read(subscription))

    async def _read(self, subscription: Any) -> None:
        while True:
            for msg in await subscription.fetch(timeout=60):
                try:
                    async with message(msg):
                        await self._handle(msg)
                        await msg.ack()
                except synthetic.MessageRefused as error:
                    self.errors.append(error)

    async def _stop(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await super()._stop()


class TestCore(MessageContract):
    our_part = "synthetic_nats._out.outgoing"

    kind: type[Core] = Core

    @pytest.fixture
    def broker(self, nats_port: int, loop: Loop, _configured: None) -> Iterator[Broker]:
        broker = self.kind(nats_port, loop)
        try:
            yield broker
        finally:
            broker.close()


class TestJetStream(TestCore):
    kind = JetStream


class TestPull(TestCore):
    kind = Pull
