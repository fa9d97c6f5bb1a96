"""nats-py, instrumented, still behaves as its documentation says."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError, TimeoutError

import synthetic
from tests.integrations.nats.conftest import Run
from tests.products.nats import Session, headers_of, publish_raw
from tests.support.work import FORGED, PEAK, REAL, in_force


@pytest.mark.parametrize("headers", [None, {}, {"attempt": "1", "baggage": "user=7"}])
def test_the_callers_headers_stay_as_they_were(run: Run, headers: Any) -> None:
    async def scenario(session: Session) -> None:
        before = None if headers is None else dict(headers)
        received = await session.client.subscribe(session.subject)
        with synthetic.simulated(run="peak"):
            await session.client.publish(session.subject, b"simulated", headers=headers)
        with synthetic.real():
            await session.client.publish(session.subject, b"real", headers=headers)
        assert headers == before
        assert (await received.next_msg()).headers["baggage"].startswith("synthetic-traffic=")
        assert (await received.next_msg()).headers == (before or None)

    run(scenario)


@pytest.mark.parametrize("old_style", [False, True])
def test_an_answer_carries_the_marker_and_the_caller_keeps_its_own_work(run: Run, old_style: bool) -> None:
    async def scenario(session: Session) -> None:
        async def serve(msg: Any) -> None:
            await msg.respond(str(in_force()).encode())

        await session.client.subscribe(session.subject, cb=serve)
        with synthetic.simulated(run="peak"):
            answer = await session.client.request(session.subject, b"?", old_style=old_style)
            assert (answer.data.decode(), in_force()) == (str(PEAK), PEAK)
            assert answer.headers["baggage"] == synthetic.headers()["baggage"]
        answer = await session.client.request(session.subject, b"?", old_style=old_style)
        assert (answer.data.decode(), answer.headers) == (str(REAL), None)

    run(scenario)


def test_a_request_without_an_answer_still_raises_the_errors_of_nats(run: Run) -> None:
    async def scenario(session: Session) -> None:
        async def silent(msg: Any) -> None:
            pass

        with synthetic.simulated(run="peak"):
            with pytest.raises(NoRespondersError):
                await session.client.request(session.subject)
            await session.client.subscribe(session.subject, cb=silent)
            with pytest.raises(TimeoutError):
                await session.client.request(session.subject, timeout=0.05)

    run(scenario)


def test_jetstream_stores_a_message_once_and_asynchronously(run: Run) -> None:
    async def scenario(session: Session) -> None:
        js = await session.jetstream()
        with synthetic.simulated(run="peak"):
            first = await js.publish(session.subject, b"ride", headers={"Nats-Msg-Id": "7"})
            again = await js.publish(session.subject, b"ride", headers={"Nats-Msg-Id": "7"})
            third = await (await js.publish_async(session.subject, b"ride"))
        assert (first.seq, again.seq, again.duplicate, third.seq) == (1, 1, True, 2)
        stored = await js.get_msg(session.stream, third.seq)
        assert stored.headers["baggage"].startswith("synthetic-traffic=")

    run(scenario)


def test_a_key_value_store_carries_no_marker_and_can_still_be_watched(run: Run) -> None:
    async def scenario(session: Session) -> None:
        js = session.client.jetstream()
        store = await js.create_key_value(bucket=session.stream)
        with synthetic.simulated(run="peak"):
            await store.put("driver", b"7")
        await publish_raw(session.client, f"$KV.{session.stream}.rider", "8", headers_of(FORGED))
        watcher = await store.watchall()
        entries = [await watcher.updates() for _ in range(2)]
        assert {each.key: each.value for each in entries} == {"driver": b"7", "rider": b"8"}
        assert (await js.get_msg(f"KV_{session.stream}", 1)).headers is None
        await watcher.stop()

    run(scenario)


# On and off


def test_instrument_patches_once_and_uninstrument_restores_the_originals() -> None:
    synthetic.uninstrument("nats")
    names = ("publish", "subscribe", "_parse_header_lines")
    originals = [vars(Client)[name] for name in names]
    synthetic.instrument("nats")
    wrapped = [vars(Client)[name] for name in names]
    synthetic.instrument("nats")
    assert [vars(Client)[name] for name in names] == wrapped
    for ours, original in zip(wrapped, originals, strict=True):
        assert ours is not original
        assert type(ours) is type(original)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(original)
    assert inspect.signature(Client.publish) == inspect.signature(originals[0])
    synthetic.uninstrument("nats")
    assert [vars(Client)[name] for name in names] == originals
