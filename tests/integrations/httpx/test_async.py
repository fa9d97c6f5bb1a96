"""The asynchronous clients of httpx and httpx2, instrumented: streams, many calls at once, calls that are given up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context

import synthetic
from tests.products.httpx import Product
from tests.support.clients import OURS, THEIRS, brought_by_opentelemetry, claims_of, has_no_marker, token_of
from tests.support.keys import mint
from tests.support.recording_server import Answer, Recorded, RecordingServer
from tests.support.servers import wait_until


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture
def product(product: Product) -> Iterator[Product]:
    with product.instrumented():
        yield product


@pytest.fixture(params=["real", "simulated"])
def either_work(request: pytest.FixtureRequest) -> Iterator[str]:
    with synthetic.real() if request.param == "real" else synthetic.simulated(run="rush-hour"):
        yield request.param


@pytest.fixture
def stalled(server: RecordingServer) -> Iterator[str]:
    """The URL of an answer that does not come before the test is over."""
    may_answer = threading.Event()

    def wait(request: Recorded) -> Answer:
        may_answer.wait(60)
        return Answer()

    server.answers["/stalled"] = wait
    yield server.url("/stalled")
    may_answer.set()


def client_of(product: Product, **options: Any) -> Any:
    return product.library.AsyncClient(transport=product.transport(is_async=True), **options)


async def in_pieces() -> AsyncIterator[bytes]:
    yield b"one"
    await asyncio.sleep(0)
    yield b"two"


def test_bodies_are_streamed_both_ways(product: Product, server: RecordingServer, either_work: str) -> None:
    server.answers["/"] = Answer(body=b"y" * 200_000)

    async def call() -> int:
        async with (
            client_of(product) as client,
            client.stream("POST", server.url(), content=in_pieces()) as response,
        ):
            return sum([len(chunk) async for chunk in response.aiter_bytes(4096)])

    assert asyncio.run(call()) == 200_000
    assert server.only.body == b"onetwo"
    assert has_no_marker(server.only) is (either_work == "real")


def test_hooks_and_authentication_are_awaited_and_see_the_callers_request(
    product: Product, server: RecordingServer
) -> None:
    def challenge(request: Recorded) -> Answer:
        if request.values("authorization"):
            return Answer()
        return Answer(401, (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'),))

    seen: list[Any] = []

    async def before(request: Any) -> None:
        seen.append(request)

    async def after(response: Any) -> None:
        seen.append(response.request)

    async def call() -> Any:
        async with client_of(product, event_hooks={"request": [before], "response": [after]}) as client:
            return await client.get(server.url(), auth=product.library.DigestAuth("rider", "secret"))

    server.answers["/"] = challenge
    with synthetic.simulated(run="rush-hour"):
        response = asyncio.run(call())
    assert response.status_code == 200
    assert len(seen) == 4
    assert all(request is response.request and "baggage" not in request.headers for request in seen)
    assert len({token_of(request) for request in server.requests}) == 1


def test_calls_of_many_tasks_at_once_each_carry_their_own_marker(product: Product, server: RecordingServer) -> None:
    async def ride(client: Any, number: int) -> None:
        if number % 2:
            with synthetic.simulated(run="rush-hour", actor=f"rider-{number}"):
                await client.get(server.url(f"/{number}"))
        else:
            await client.get(server.url(f"/{number}"))

    async def rides() -> None:
        async with client_of(product) as client:
            await asyncio.gather(*(ride(client, number) for number in range(20)))

    asyncio.run(rides())
    assert len(server.requests) == 20
    for request in server.requests:
        number = int(request.path[1:])
        if number % 2:
            assert claims_of(token_of(request))["sub"] == f"rider-{number}"
        else:
            assert has_no_marker(request)


def by_cancelling(product: Product, client: Any, url: str, has_come: Callable[[], bool]) -> Any:
    async def give_up() -> None:
        call = asyncio.ensure_future(client.get(url, timeout=None))
        await asyncio.to_thread(wait_until, has_come)
        call.cancel()
        await call

    return give_up()


def by_waiting_no_longer(product: Product, client: Any, url: str, has_come: Callable[[], bool]) -> Any:
    return asyncio.wait_for(client.get(url, timeout=None), 0.05)


def by_the_clients_timeout(product: Product, client: Any, url: str, has_come: Callable[[], bool]) -> Any:
    return client.get(url, timeout=product.library.Timeout(60, read=0.05))


@pytest.mark.parametrize("give_up", [by_cancelling, by_waiting_no_longer, by_the_clients_timeout])
@pytest.mark.usefixtures("either_work")
def test_an_abandoned_call_raises_the_usual_error_and_the_client_stays_usable(
    product: Product, server: RecordingServer, stalled: str, give_up: Any
) -> None:
    expected = {
        by_cancelling: asyncio.CancelledError,
        by_waiting_no_longer: asyncio.TimeoutError,
        by_the_clients_timeout: product.library.ReadTimeout,
    }[give_up]

    async def calls() -> None:
        async with client_of(product) as client:
            with pytest.raises(expected):
                await give_up(product, client, stalled, lambda: bool(server.requests))
            assert (await client.get(server.url())).status_code == 200

    asyncio.run(calls())
    assert len({str(request.values("baggage")) for request in server.requests}) == 1


def test_a_call_that_is_cancelled_leaves_the_context_as_it_was(
    product: Product, keys: dict[str, Any], server: RecordingServer, stalled: str
) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    left: list[tuple[Any, bool]] = []

    async def call() -> None:
        async with client_of(product) as client:
            before = context.get_current()
            try:
                await client.get(stalled.replace(OURS, THEIRS), timeout=None)
            finally:
                left.append((baggage.get_baggage("synthetic-traffic"), context.get_current() is before))

    async def cancelled() -> None:
        task = asyncio.ensure_future(call())
        await asyncio.to_thread(wait_until, lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    token = mint(keys)
    with brought_by_opentelemetry(token):
        asyncio.run(cancelled())
    assert left == [(token, True)]
    assert has_no_marker(server.only)


def test_an_asynchronous_client_still_rejects_a_synchronous_body(
    product: Product, server: RecordingServer, either_work: str
) -> None:
    async def call() -> None:
        async with client_of(product) as client:
            await client.post(server.url(), content=iter([b"one"]))

    with pytest.raises(RuntimeError, match="sync"):
        asyncio.run(call())
    assert not server.requests
