"""NATS: a publisher and the header that arrived; a subscriber and what it saw, or the refusal."""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import nats
from nats.aio.client import Client

import synthetic
from synthetic_nats import message
from tests.matrix.cases import Case, Hop, judged, seen
from tests.support import brokers


class Meeting:
    """A connection, and the first report from a handler or from the ``error_cb`` of the connection.

    Each meeting has its own subject. A new stream may contain a message of a stream of the same name that was just
    deleted (seen in 20 of 1,500 runs with nats-server 2.15.1).
    """

    async def open(self, port: int) -> None:
        self.subject = f"rides-{secrets.token_hex(4)}"
        self.told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.client = await nats.connect(f"nats://127.0.0.1:{port}", connect_timeout=60, error_cb=self.failed)

    async def failed(self, error: Exception) -> None:
        assert isinstance(error, synthetic.MessageRefused)
        self.told.set_result("refused")

    async def handle(self, msg: Any) -> None:
        self.told.set_result(seen())

    async def note(self, msg: Any) -> None:
        header = (msg.headers or {}).get("baggage")
        self.told.set_result(judged([] if header is None else [header]))

    async def put(self, case: Case) -> None:
        """Publish without any wrapper."""
        header = case.joined()
        headers = None if header is None else {"baggage": header}
        await inspect.unwrap(Client.publish)(self.client, self.subject, b"ride", "", headers)


def _met(scenario: Callable[[Meeting, Case], Awaitable[None]]) -> Callable[[Case, int], str]:
    async def main(case: Case, port: int) -> str:
        meeting = Meeting()
        await meeting.open(port)
        try:
            await scenario(meeting, case)
            return await asyncio.wait_for(meeting.told, 60)
        except synthetic.UnverifiedMarker:
            return "refused"
        finally:
            with suppress(nats.js.errors.NotFoundError):
                await meeting.client.jetstream().delete_stream(meeting.subject)
            await meeting.client.close()

    def pass_on(case: Case, port: int) -> str:
        synthetic.instrument("nats")
        return asyncio.run(main(case, port))

    return pass_on


async def _out(meeting: Meeting, case: Case) -> None:
    synthetic.uninstrument("nats")
    await meeting.client.subscribe(meeting.subject, cb=meeting.note)
    synthetic.instrument("nats")
    with case.work() as baggage:
        headers = None if baggage is None else {"baggage": baggage}
        await meeting.client.publish(meeting.subject, b"ride", headers=headers)


async def _in(meeting: Meeting, case: Case) -> None:
    await meeting.client.subscribe(meeting.subject, cb=meeting.handle)
    await meeting.put(case)


async def _in_by_jetstream(meeting: Meeting, case: Case) -> None:
    js = meeting.client.jetstream()
    await js.add_stream(name=meeting.subject, subjects=[meeting.subject])
    await js.subscribe(meeting.subject, cb=meeting.handle)
    await meeting.put(case)


async def _in_by_fetching(meeting: Meeting, case: Case) -> None:
    js = meeting.client.jetstream()
    await js.add_stream(name=meeting.subject, subjects=[meeting.subject])
    await meeting.put(case)
    (msg,) = await (await js.pull_subscribe(meeting.subject, durable="drivers")).fetch()
    try:
        async with message(msg):
            await meeting.handle(msg)
            await msg.ack()
    except synthetic.MessageRefused as error:
        await meeting.failed(error)


HOPS: list[Hop] = [
    Hop("NATS, publisher", "nats", _met(_out), servers=brokers.nats),
    Hop("NATS, subscriber", "nats", _met(_in), servers=brokers.nats),
    Hop("NATS JetStream, callback", "nats", _met(_in_by_jetstream), servers=brokers.nats),
    Hop("NATS JetStream, fetched", "nats", _met(_in_by_fetching), servers=brokers.nats),
]
