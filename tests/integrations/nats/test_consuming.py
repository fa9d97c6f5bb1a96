"""NATS: every way to receive a message."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.errors import TimeoutError
from nats.micro import add_service
from nats.micro.service import EndpointConfig, ServiceConfig

import synthetic
import synthetic_nats._refusal
from synthetic_nats import admitting, message
from tests.integrations.nats.conftest import Run
from tests.products.nats import Session, headers_of, subscribed
from tests.support.work import FORGED, PEAK, REAL, in_force, until


def test_without_jetstream_a_refusal_goes_to_the_error_callback_and_a_requester_gets_no_answer(run: Run) -> None:
    async def scenario(session: Session) -> None:
        async def serve(msg: Any) -> None:
            await msg.respond(b"done")

        await session.client.subscribe(session.subject, cb=serve)
        with pytest.raises(TimeoutError):
            await session.client.request(session.subject, b"?", timeout=0.05, headers=headers_of(FORGED))
        assert (await session.client.request(session.subject, b"?")).data == b"done"
        assert session.reasons == ["bad-signature"]

    run(scenario)


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # nats-py's own, from 3.12 on
def test_a_service_endpoint_answers_refused_requests_with_an_error(run: Run, keys: dict[str, Any]) -> None:
    async def scenario(session: Session) -> None:
        async def handle(request: Any) -> None:
            await request.respond(str(in_force()).encode())

        service = await add_service(session.client, ServiceConfig(name="rides", version="0.1.0"))
        await service.add_endpoint(EndpointConfig(name="book", subject=session.subject, handler=handle))
        with synthetic.simulated(run="peak"):
            assert (await session.client.request(session.subject)).data.decode() == str(PEAK)
            synthetic.configure(keys=keys, shed=lambda: True)
            later = await session.client.request(session.subject)
            synthetic.configure(keys=keys, halt=["peak"])
            refused = await session.client.request(session.subject)
        names = ("Nats-Service-Error-Code", "Nats-Service-Error")
        assert tuple(later.headers[name] for name in names) == ("429", "shed")
        assert tuple(refused.headers[name] for name in names) == ("403", "halted")
        await service.stop()

    run(scenario)


def test_an_exception_goes_to_the_error_callback_and_leaves_no_verdict_behind(run: Run, good: str) -> None:
    async def scenario(session: Session) -> None:
        async def handle(msg: Any) -> None:
            raise LookupError(msg.data, in_force())

        await session.client.subscribe(session.subject, cb=handle)
        await session.put("one", good)
        await session.put("two", None)
        await until(lambda: len(session.errors) == 2)
        assert [error.args for error in session.errors] == [(b"one", PEAK), (b"two", REAL)]

    run(scenario)


def test_a_subscription_made_in_simulated_work_delivers_real_messages_as_real(run: Run) -> None:
    async def scenario(session: Session) -> None:
        seen: list[Any] = []

        async def handle(prefix: str, msg: Any) -> None:
            seen.append(in_force())

        with synthetic.simulated(run="peak"):
            subscription = await session.client.subscribe(session.subject, cb=partial(handle, "x"), max_msgs=1)
        await session.put("real", None)
        await until(lambda: seen)
        assert seen == [REAL]
        assert subscription.delivered == 1

    run(scenario)


def test_a_marker_in_the_first_of_two_baggage_headers_is_found(run: Run, good: str) -> None:
    """Another client may write two lines; this one keeps the last, and the marker may be in the first."""

    async def scenario(session: Session) -> None:
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            seen.append((in_force(), msg.headers))

        await session.client.subscribe(session.subject, cb=handle)
        lines = f"NATS/1.0\r\nbaggage: {good}\r\nride: 7\r\nBaggage: user=7\r\nbaggage:user=8\r\n\r\n".encode()
        wire = b"HPUB %s %d %d\r\n%s\r\n" % (session.subject.encode(), len(lines), len(lines), lines)
        await session.client._send_command(wire)
        await subscribed(session.client)
        await until(lambda: seen)
        assert seen == [(PEAK, {"ride": "7", "baggage": f"{good},user=7,user=8"})]

    run(scenario)


@pytest.mark.parametrize("way", ["messages", "next_msg"])
def test_message_admits_each_message_of_a_subscription_without_a_callback(run: Run, good: str, way: str) -> None:
    async def scenario(session: Session) -> None:
        received = await session.client.subscribe(session.subject)
        for name, baggage in (("one", good), ("two", None), ("forged", FORGED), ("four", good)):
            await session.put(name, baggage)
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            try:
                async with message(msg) as marker:
                    assert marker == synthetic.current()
                    seen.append((msg.data, in_force()))
            except synthetic.MessageRefused as error:
                seen.append((msg.data, error.reason.value))

        if way == "messages":
            async for msg in received.messages:
                await handle(msg)
                if len(seen) == 4:
                    break
        else:
            for _ in range(4):
                await handle(await received.next_msg())
        assert seen == [(b"one", PEAK), (b"two", REAL), (b"forged", "bad-signature"), (b"four", PEAK)]

    run(scenario)


def test_jetstream_delivers_a_message_that_is_shed_again(
    run: Run, good: str, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic_nats._refusal, "PAUSE", 0.05)

    async def scenario(session: Session) -> None:
        asked: list[None] = []
        synthetic.configure(keys=keys, shed=lambda: asked.append(None) or len(asked) < 3)
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            seen.append((msg.data, in_force(), msg.metadata.num_delivered))

        js = await session.jetstream()
        await js.subscribe(session.subject, cb=handle)
        await session.put("later", good)
        await session.put("real", None)
        await until(lambda: len(seen) == 2)
        assert seen == [(b"real", REAL, 1), (b"later", PEAK, 3)]
        assert session.reasons == ["shed", "shed"]

    run(scenario)


def test_an_ordered_consumer_gets_only_admitted_messages(run: Run, good: str) -> None:
    async def scenario(session: Session) -> None:
        js = await session.jetstream()
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            seen.append((msg.data, in_force()))

        for name, baggage in (("one", good), ("forged", FORGED), ("three", None)):
            await session.put(name, baggage)
        await js.subscribe(session.subject, ordered_consumer=True, cb=handle)
        await until(lambda: len(seen) == 2)
        assert seen == [(b"one", PEAK), (b"three", REAL)]

    run(scenario)


def test_admitting_covers_a_callback_without_instrument(run: Run, good: str) -> None:
    synthetic.uninstrument("nats")

    async def scenario(session: Session) -> None:
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            """Handle it."""
            seen.append((msg.data, in_force()))

        covered: Any = admitting(handle)
        assert (covered.__name__, covered.__doc__) == ("handle", "Handle it.")
        await session.client.subscribe(session.subject, cb=covered)
        for name, baggage in (("one", good), ("forged", FORGED), ("three", None)):
            await session.put(name, baggage)
        await until(lambda: len(seen) == 2)
        assert seen == [(b"one", PEAK), (b"three", REAL)]
        assert session.reasons == ["bad-signature"]

    run(scenario)


class Orders(Client):
    """A client of the application's own, which handles its messages itself."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    async def handle(self, msg: Any) -> None:
        self.seen.append((msg.data, in_force()))


def test_a_subclass_of_the_client_can_handle_its_own_messages_and_send_requests(run: Run, good: str) -> None:
    async def scenario(session: Session) -> None:
        async def serve(msg: Any) -> None:
            await msg.respond(str(in_force()).encode())

        errors: list[Any] = []

        async def failed(error: Exception) -> None:
            errors.append(error)

        orders = Orders()
        await orders.connect(session.client.connected_url.geturl(), error_cb=failed)
        await orders.subscribe(session.subject, cb=orders.handle)
        await orders.subscribe(f"{session.subject}.asked", cb=serve)
        await subscribed(orders)
        for name, baggage in (("one", good), ("forged", FORGED), ("three", None)):
            await session.put(name, baggage)
        await until(lambda: len(orders.seen) == 2)
        assert orders.seen == [(b"one", PEAK), (b"three", REAL)]
        assert [error.reason.value for error in errors] == ["bad-signature"]
        with synthetic.simulated(run="peak"):
            assert (await orders.request(f"{session.subject}.asked")).data.decode() == str(PEAK)
        await orders.close()

    run(scenario)


def test_draining_waits_for_the_handlers(run: Run, good: str) -> None:
    async def scenario(session: Session) -> None:
        seen: list[Any] = []

        async def handle(msg: Any) -> None:
            await asyncio.sleep(0.01)
            seen.append(in_force())

        await session.client.subscribe(session.subject, cb=handle)
        for _ in range(5):
            await session.put("one", good)
        await subscribed(session.client)
        await session.client.drain()
        assert seen == [PEAK] * 5

    run(scenario)


def test_a_callback_that_is_not_a_coroutine_function_is_still_an_error(run: Run) -> None:
    async def scenario(session: Session) -> None:
        wrong: Any = lambda msg: None  # noqa: E731
        with pytest.raises(nats.errors.Error, match="must use coroutine"):
            await session.client.subscribe(session.subject, cb=wrong)

    run(scenario)
