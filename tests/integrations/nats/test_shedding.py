"""``shed="auto"`` in consumers of NATS: JetStream delivers again later, and a service answers 429."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import synthetic
import synthetic_nats._refusal
from synthetic._admission.shedding import take_place
from tests.integrations.nats.conftest import Run
from tests.products.nats import Session
from tests.support.shedding import places, unhurried
from tests.support.work import PEAK, REAL, in_force, until

Keys = dict[str, Any]


def test_jetstream_delivers_a_simulated_message_without_a_place_later_and_a_real_one_at_once(
    run: Run, good: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic_nats._refusal, "PAUSE", 0.05)
    synthetic.configure(keys=keys, shed="auto")

    async def scenario(session: Session) -> None:
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            seen.append((msg.data, in_force()))
            await msg.ack()
            assert places() == 1
            if msg.data == b"fails":
                raise LookupError(msg.data)

        elsewhere = take_place(1)  # by other simulated work of this process
        assert elsewhere is not None
        js = await session.jetstream()
        await js.subscribe(session.subject, cb=handle)
        await session.put("fails", good)
        await session.put("second", good)
        await until(lambda: len(session.errors) >= 4)
        assert set(session.reasons) == {"shed"}
        elsewhere.give_back()
        await until(lambda: len(seen) == 2)
        assert sorted(seen) == [(b"fails", PEAK), (b"second", PEAK)]
        await until(lambda: not places())

    async def beside(session: Session) -> None:
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            seen.append((msg.data, in_force()))
            await msg.ack()

        elsewhere = take_place(1)
        assert elsewhere is not None
        await (await session.jetstream()).subscribe(session.subject, cb=handle)
        await session.put("later", good)
        await session.put("real", None)
        await until(lambda: seen)
        assert seen == [(b"real", REAL)]
        elsewhere.give_back()
        await until(lambda: len(seen) == 2)
        assert seen[1] == (b"later", PEAK)

    with unhurried():
        run(scenario)
        run(beside)


def test_an_endpoint_answers_a_second_simulated_request_with_429(run: Run, keys: Keys) -> None:
    micro = pytest.importorskip("nats.micro")
    synthetic.configure(keys=keys, shed="auto")

    async def scenario(session: Session) -> None:
        go_on, begun = asyncio.Event(), asyncio.Event()

        async def handle(request: Any) -> None:
            if request.data == b"first":
                begun.set()
                await go_on.wait()
            await request.respond(b"done")

        service = await micro.add_service(session.client, micro.service.ServiceConfig(name="rides", version="0.1.0"))
        for name in ("book", "rate"):
            subject = f"{session.subject}.{name}"
            await service.add_endpoint(micro.service.EndpointConfig(name=name, subject=subject, handler=handle))
        with synthetic.simulated(run="peak"):
            first = asyncio.create_task(session.client.request(f"{session.subject}.book", b"first", timeout=60))
            await begun.wait()
            second = await session.client.request(f"{session.subject}.rate", b"second", timeout=60)
        assert second.headers["Nats-Service-Error-Code"] == "429"
        with synthetic.real():
            real = await session.client.request(f"{session.subject}.rate", b"real", timeout=60)
        assert real.data == b"done"
        go_on.set()
        assert (await first).data == b"done"
        with synthetic.simulated(run="peak"):
            again = await session.client.request(f"{session.subject}.rate", b"second", timeout=60)
        assert again.data == b"done"
        await service.stop()

    with unhurried():
        run(scenario)


def test_a_message_of_core_nats_takes_no_place_for_it_would_be_lost(run: Run, good: str, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed="auto")

    async def scenario(session: Session) -> None:
        seen: list[Any] = []
        go_on = asyncio.Event()

        async def handle(msg: Any) -> None:
            seen.append((msg.data, in_force()))
            await go_on.wait()

        for _ in range(2):
            await session.client.subscribe(session.subject, cb=handle)
        await session.put("one", good)
        await until(lambda: len(seen) == 2)
        assert seen == [(b"one", PEAK)] * 2
        assert places() == 0
        go_on.set()

    with unhurried():
        run(scenario)
