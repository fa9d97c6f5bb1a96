"""What the tests of NATS share: a connection to run in, a subject of its own, markers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client

import synthetic
from synthetic._work.state import VERDICT, current_verdict
from tests.integrations.nats.test_nats import publish_raw
from tests.support.keys import entry, mint, shared_key

REAL: tuple[bool, str | None] = (False, None)
PEAK = (True, "peak")
FORGED = {"baggage": entry(mint(shared_key("test")))}


@pytest.fixture(autouse=True)
def on(keys: dict[str, Any]) -> Iterator[None]:
    synthetic.configure(keys=keys)
    synthetic.instrument("nats")
    yield
    synthetic.uninstrument("nats")


@pytest.fixture
def good(keys: dict[str, Any]) -> dict[str, str]:
    return {"baggage": entry(mint(keys, claims={"run": "peak"}))}


class Session:
    """A connection, a subject of its own, and what the ``error_cb`` of the connection got."""

    def __init__(self, client: Client, errors: list[Any]) -> None:
        self.client = client
        self.errors = errors
        self.subject = f"rides.{uuid4().hex}"
        self.stream = self.subject.replace(".", "-")

    async def put(self, name: str, headers: Any) -> None:
        await publish_raw(self.client, self.subject, name.encode(), headers)

    async def jetstream(self) -> Any:
        js = self.client.jetstream()
        await js.add_stream(name=self.stream, subjects=[self.subject])
        return js


Run = Callable[[Callable[[Session], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def run(nats_port: int) -> Run:
    """Runs a coroutine function with a session of its own, and checks that it leaves nothing behind."""

    async def main(function: Any) -> Any:
        errors: list[Any] = []

        async def failed(error: Exception) -> None:
            errors.append(error)

        client = await nats.connect(f"nats://127.0.0.1:{nats_port}", connect_timeout=60, error_cb=failed)
        try:
            given = await asyncio.wait_for(function(Session(client, errors)), 60)
        finally:
            await client.close()
        assert current_verdict() is None
        return given

    return lambda function: asyncio.run(main(function))


def at_hand() -> tuple[bool, str | None]:
    marker = synthetic.current()
    assert VERDICT.get() is not None
    return marker is not None, marker and marker.run


async def subscribed(client: Client) -> None:
    """Return when the server has all subscriptions of a client, so that it gets what others publish.

    One ``flush()`` is not enough (nats-py 2.16): its PING overtakes a subscription that was not yet sent.
    """
    await client.flush()
    await client.flush()


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
