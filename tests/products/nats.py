"""nats-py: a connection with a new subject, and consumers: core NATS, JetStream, and JetStream that is fetched from."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.client import Client

import synthetic
from synthetic_nats import message
from tests.contract.messages import Handled, eventually
from tests.support import brokers
from tests.support.asyncio_thread import Loop
from tests.support.servers import PATIENCE
from tests.support.work import new_name

needs = brokers.nats


def headers_of(baggage: str | None) -> Any:
    return None if baggage is None else {"baggage": baggage}


def header_of(msg: Any) -> str | None:
    """The ``baggage`` header of a message."""
    return (msg.headers or {}).get("baggage")


async def publish_raw(client: Client, subject: str, body: str, headers: Any) -> None:
    """Publish past every wrapper."""
    await inspect.unwrap(Client.publish)(client, subject, body.encode(), "", headers)


async def subscribed(client: Client) -> None:
    """Return when the server has all subscriptions of a client, so that the client gets what others publish.

    One ``flush()`` is not enough (nats-py 2.16): its PING overtakes a subscription that was not sent yet.
    """
    await client.flush()
    await client.flush()


class Session:
    """A connection, a new subject, and the errors that the connection's ``error_cb`` got.

    No two streams have the same name: a new stream may come with a message of a stream of this name that was just
    deleted (seen in 20 of 1,500, nats-server 2.15.1).
    """

    def __init__(self) -> None:
        self.errors: list[Any] = []
        self.subject = f"rides.{new_name()}"
        self.stream = self.subject.replace(".", "-")
        self._has_stream = False

    async def open(self, port: int) -> None:
        self.client = await nats.connect(
            f"nats://127.0.0.1:{port}", connect_timeout=int(PATIENCE), error_cb=self._failed
        )

    async def _failed(self, error: Exception) -> None:
        self.errors.append(error)

    @property
    def reasons(self) -> list[str]:
        """Why messages were refused."""
        return [error.reason.value for error in self.errors]

    async def put(self, name: str, baggage: str | None) -> None:
        await publish_raw(self.client, self.subject, name, headers_of(baggage))

    async def jetstream(self) -> Any:
        js = self.client.jetstream()
        await js.add_stream(name=self.stream, subjects=[self.subject])
        self._has_stream = True
        return js

    async def close(self) -> None:
        if self._has_stream and self.client.is_connected:
            await self.client.jetstream().delete_stream(self.stream)
        await self.client.close()


@asynccontextmanager
async def session_on(port: int) -> AsyncIterator[Session]:
    session = Session()
    await session.open(port)
    try:
        yield session
    finally:
        await session.close()


def run(port: int, function: Callable[[Session], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine function with a session, on an event loop of its own."""

    async def main() -> Any:
        async with session_on(port) as session:
            return await asyncio.wait_for(function(session), PATIENCE)

    return asyncio.run(main())


class Core(Handled):
    """The broker of the contract, without JetStream."""

    def __init__(self, port: int, loop: Loop) -> None:
        super().__init__()
        self._loop = loop
        self._session = Session()
        self._subject = self._session.subject
        loop.run(self._start(port))

    async def _start(self, port: int) -> None:
        await self._session.open(port)
        self._client = self._session.client
        await self._subscribe()
        await subscribed(self._client)

    async def _subscribe(self) -> None:
        await self._client.subscribe(self._subject, cb=self._handle)

    async def _handle(self, msg: Any) -> None:
        self.note(msg.data.decode(), header_of(msg))

    def send(self, name: str, baggage: str | None = None) -> None:
        self._loop.run(self._send(name.encode(), headers_of(baggage)))

    async def _send(self, body: bytes, headers: Any) -> None:
        await self._client.publish(self._subject, body, headers=headers)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        self._loop.run(self._session.put(name, ",".join(baggage) or None))

    def refused(self, name: str) -> str:
        errors = self._session.errors
        error = eventually(lambda: errors.pop(0) if errors else None)
        assert name not in self.seen
        assert isinstance(error, synthetic.MessageRefused)
        return error.reason.value

    def close(self) -> None:
        self._loop.run(self._stop())

    async def _stop(self) -> None:
        await self._session.close()


class JetStream(Core):
    """A stream, a durable consumer with a callback, and the server's word on the messages that were given up."""

    async def _subscribe(self) -> None:
        self._given_up: dict[str, Any] = {}
        self._js = await self._session.jetstream()
        await self._client.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>", cb=self._advised)
        await self._consume()

    async def _consume(self) -> None:
        await self._js.subscribe(self._subject, durable="drivers", cb=self._handle)

    async def _advised(self, msg: Any) -> None:
        told = json.loads(msg.data)
        if told["stream"] == self._session.stream:
            stored = await self._js.get_msg(self._session.stream, told["stream_seq"])
            self._given_up[stored.data.decode()] = told

    async def _send(self, body: bytes, headers: Any) -> None:
        await self._js.publish(self._subject, body, headers=headers)

    def refused(self, name: str) -> str:
        eventually(lambda: self._given_up.get(name))
        return super().refused(name)


class Pull(JetStream):
    """The same, where messages are fetched."""

    async def _consume(self) -> None:
        subscription = await self._js.pull_subscribe(self._subject, durable="drivers")
        self._reading = asyncio.create_task(self._read(subscription))

    async def _read(self, subscription: Any) -> None:
        while True:
            for msg in await subscription.fetch(timeout=PATIENCE):
                try:
                    async with message(msg):
                        await self._handle(msg)
                        await msg.ack()
                except synthetic.MessageRefused as error:
                    self._session.errors.append(error)

    async def _stop(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await super()._stop()
