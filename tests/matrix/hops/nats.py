"""NATS: a publisher and the header that arrived; a subscriber and what it saw, or the word that it was refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import synthetic
from synthetic_nats import message
from tests.matrix.cases import Case, Hop, judged, seen
from tests.products import nats
from tests.products.nats import Session
from tests.support.work import until

Told = list[str]


def _over(scenario: Callable[[Session, Case, Told], Awaitable[None]], case: Case, port: int) -> str:
    async def main(session: Session) -> str:
        told: Told = []
        try:
            await scenario(session, case, told)
        except (synthetic.UnverifiedMarker, synthetic.MessageRefused):
            return "refused"
        await until(lambda: told or session.errors)
        assert all(isinstance(error, synthetic.MessageRefused) for error in session.errors)
        (known,) = [*told, *("refused" for _ in session.errors)]
        return known

    synthetic.instrument("nats")
    outcome: str = nats.run(port, main)
    return outcome


async def _out(session: Session, case: Case, told: Told) -> None:
    async def note(msg: Any) -> None:
        header = nats.header_of(msg)
        told.append(judged([] if header is None else [header]))

    synthetic.uninstrument("nats")
    await session.client.subscribe(session.subject, cb=note)
    synthetic.instrument("nats")
    with case.work() as baggage:
        await session.client.publish(session.subject, b"ride", headers=nats.headers_of(baggage))


def _noting(told: Told) -> Callable[[Any], Awaitable[None]]:
    async def handle(msg: Any) -> None:
        told.append(seen())

    return handle


async def _in(session: Session, case: Case, told: Told) -> None:
    await session.client.subscribe(session.subject, cb=_noting(told))
    await session.put("ride", case.joined())


async def _in_by_jetstream(session: Session, case: Case, told: Told) -> None:
    js = await session.jetstream()
    await js.subscribe(session.subject, cb=_noting(told))
    await session.put("ride", case.joined())


async def _in_by_fetching(session: Session, case: Case, told: Told) -> None:
    js = await session.jetstream()
    await session.put("ride", case.joined())
    (msg,) = await (await js.pull_subscribe(session.subject, durable="drivers")).fetch()
    async with message(msg):
        told.append(seen())
        await msg.ack()


def _hop(name: str, scenario: Callable[[Session, Case, Told], Awaitable[None]]) -> Hop:
    return Hop(name, "nats", partial(_over, scenario), servers=nats.needs)


HOPS: list[Hop] = [
    _hop("NATS, publisher", _out),
    _hop("NATS, subscriber", _in),
    _hop("NATS JetStream, callback", _in_by_jetstream),
    _hop("NATS JetStream, fetched", _in_by_fetching),
]
