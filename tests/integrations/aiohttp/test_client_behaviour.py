"""aiohttp's client, instrumented: every kind of hop, and what it does as always."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict

import synthetic
from synthetic_aiohttp import ExternalRequestRefused, install
from tests.integrations.tunnels import certificate, tls_server, tunnels_to
from tests.products.aiohttp import in_session, read
from tests.support.clients import (
    OURS,
    THEIRS,
    brought_by_opentelemetry,
    has_no_marker,
    token_of,
)
from tests.support.keys import mint
from tests.support.recording_server import Answer, Recorded, RecordingServer
from tests.support.switches import instrumented
from tests.support.versions import needs


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture
def on() -> Iterator[None]:
    with instrumented("aiohttp"):
        yield


@pytest.fixture(params=["real", "simulated"])
def either_work(request: pytest.FixtureRequest, on: None) -> Iterator[str]:
    with synthetic.real() if request.param == "real" else synthetic.simulated(run="rush-hour"):
        yield request.param


# Hops


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("simulated", [True, False])
def test_a_websocket_carries_the_marker(keys: dict[str, Any], simulated: bool) -> None:
    async def tell(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(synthetic.is_synthetic())
        await socket.close()
        return socket

    async def ask() -> Any:
        app = web.Application()
        app.router.add_get("/", tell)
        install(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, OURS, 0).start()
        try:
            with synthetic.simulated(run="rush-hour") if simulated else synthetic.real():
                return await converse(runner.addresses[0][1])
        finally:
            await runner.cleanup()

    async def converse(port: int) -> Any:
        async with aiohttp.ClientSession() as session:
            if simulated:
                with pytest.raises(ExternalRequestRefused):
                    await session.ws_connect(f"ws://{THEIRS}:{port}/")
            async with session.ws_connect(f"ws://{OURS}:{port}/") as socket:
                return await socket.receive_json(timeout=60)

    assert asyncio.run(ask()) is simulated


@pytest.mark.usefixtures("on")
def test_the_headers_of_the_caller_and_of_the_session_are_not_changed(server: RecordingServer) -> None:
    own, default = {"baggage": "a=1"}, {"Baggage": "b=1"}
    server.redirect("/", "/next")

    async def work(session: aiohttp.ClientSession) -> None:
        with synthetic.simulated(run="rush-hour"):
            await read(session, server.url(), headers=own)
        await read(session, server.url())
        assert list(session.headers.items()) == [("Baggage", "b=1")]

    in_session(work, headers=default)
    assert (own, default) == ({"baggage": "a=1"}, {"Baggage": "b=1"})
    assert [has_no_marker(request) for request in server.requests] == [False, False, True, True]


@pytest.mark.usefixtures("on")
def test_several_baggage_lines_are_joined_behind_the_marker_and_kept_for_real_work(server: RecordingServer) -> None:
    own = CIMultiDict([("baggage", "a=1"), ("baggage", "b=2")])

    async def work(session: aiohttp.ClientSession) -> str:
        await read(session, server.url(), headers=own)
        with synthetic.simulated(run="rush-hour"):
            await read(session, server.url(), headers=own)
            return synthetic.headers()["baggage"]

    marker = in_session(work)
    assert [request.values("baggage") for request in server.requests] == [["a=1", "b=2"], [f"{marker},a=1,b=2"]]


@pytest.mark.usefixtures("on")
def test_concurrent_calls_each_carry_their_own_marker(server: RecordingServer) -> None:
    async def one(session: aiohttp.ClientSession, number: int) -> None:
        with synthetic.simulated(run=f"run-{number}") if number % 2 else synthetic.real():
            await read(session, server.url(f"/{number}"), headers={"x-token": synthetic.headers().get("baggage", "")})

    async def work(session: aiohttp.ClientSession) -> None:
        await asyncio.gather(*(one(session, number) for number in range(8)))

    in_session(work)
    assert len(server.requests) == 8
    for request in server.requests:
        assert "".join(request.values("baggage")) == "".join(request.values("x-token"))


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("simulated", [True, False])
def test_a_call_through_a_proxy_is_decided_by_the_host_of_its_url(
    server: RecordingServer, keys: dict[str, Any], simulated: bool
) -> None:
    synthetic.configure(keys=keys, internal_hosts=["payments"])

    async def work(session: aiohttp.ClientSession) -> None:
        await read(session, "http://payments/charges", proxy=server.url())
        if simulated:
            with pytest.raises(ExternalRequestRefused) as refused:
                await read(session, "http://api.vendor.example/", proxy=server.url())
            assert refused.value.host == "api.vendor.example"

    with synthetic.simulated(run="rush-hour") if simulated else synthetic.real():
        in_session(work)
    assert server.only.path == "http://payments/charges"
    assert has_no_marker(server.only) is not simulated


@pytest.mark.usefixtures("on")
def test_a_call_through_a_tunnel_sends_the_marker_only_to_its_other_end(tmp_path: Path) -> None:
    file = certificate(tmp_path)

    async def work(session: aiohttp.ClientSession) -> None:
        await read(session, f"https://{OURS}:{server.port}/", proxy=f"http://{THEIRS}:{proxy.port}", ssl=False)
        with pytest.raises(ExternalRequestRefused):
            await read(session, f"https://{THEIRS}:{server.port}/", proxy=f"http://{THEIRS}:{proxy.port}", ssl=False)

    with tls_server(file) as server, tunnels_to(server.port) as proxy, synthetic.simulated(run="rush-hour"):
        in_session(work)
    assert token_of(server.only)
    (head,) = proxy.heads
    assert b"synthetic-traffic" not in head


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize(
    "url", ["http://{ours}@{theirs}:{port}/", "http://{theirs}:{port}\\@{ours}/", "http://{theirs}:{port}#@{ours}/",
            "http://{THEIRS}:{port}/", "http://{theirs}.:{port}/", "http://2130706433:{port}/",
            "http://127.1:{port}/"]
)  # fmt: skip
@pytest.mark.parametrize("by_redirect", [False, True])
def test_no_spelling_of_an_undeclared_host_gets_the_marker(
    server: RecordingServer, url: str, by_redirect: bool
) -> None:
    with RecordingServer() as other:
        spelled = url.format(ours=OURS, theirs=THEIRS, THEIRS=THEIRS.upper(), port=other.port)
        server.redirect("/", spelled)
        with synthetic.simulated(run="rush-hour"), pytest.raises((aiohttp.ClientError, ValueError)):
            in_session(lambda session: read(session, server.url() if by_redirect else spelled))
        assert not other.requests


@pytest.mark.usefixtures("on")
def test_a_call_over_a_unix_socket_is_decided_by_the_host_of_its_url(tmp_path: Path, keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=["payments"])
    seen: list[bool] = []

    async def run() -> None:
        async def note(request: web.Request) -> web.Response:
            seen.append("synthetic-traffic" in request.headers.get("baggage", ""))
            return web.Response()

        app = web.Application()
        app.router.add_get("/", note)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "socket")).start()
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "socket"))) as session:
            await read(session, "http://payments/")
            with pytest.raises(ExternalRequestRefused):
                await read(session, "http://vendor.example/")
        await runner.cleanup()

    with synthetic.simulated(run="rush-hour"):
        asyncio.run(run())
    assert seen == [True]


@pytest.mark.usefixtures("on")
def test_the_work_stays_simulated_during_an_allowed_external_call(
    server: RecordingServer, keys: dict[str, Any]
) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    seen: list[bool] = []

    async def steps() -> Any:
        seen.append(synthetic.is_synthetic())
        yield b"body"

    async def work(session: aiohttp.ClientSession) -> None:
        async with session.post(server.url(host=THEIRS), data=steps()) as response:
            assert await response.text() == "ok"

    with brought_by_opentelemetry(mint(keys)):
        in_session(work)
    assert (seen, server.only.body) == ([True], b"body")
    assert has_no_marker(server.only)


# As always


@needs("aiohttp", "3.12", "has no client middlewares")
@pytest.mark.usefixtures("either_work")
def test_bodies_streams_middlewares_and_traces_work(server: RecordingServer) -> None:
    server.answers["/large"] = Answer(body=b"y" * 200_000)
    called: list[str] = []

    async def steps() -> Any:
        yield b"one"
        yield b"two"

    async def middleware(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        called.append(request.url.path)
        request.headers["X-Own"] = "1"
        return await handler(request)  # type: ignore[no-any-return]

    async def started(session: aiohttp.ClientSession, context: Any, params: aiohttp.TraceRequestStartParams) -> None:
        called.append(f"start {params.url.path}")

    async def work(session: aiohttp.ClientSession) -> None:
        for data in (steps(), {"a": "1"}, b"bytes"):
            async with session.post(server.url(), data=data) as response:
                assert response.status == 200
        async with session.get(server.url("/large")) as response:
            assert sum([len(chunk) async for chunk in response.content.iter_chunked(4096)]) == 200_000

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    in_session(work, middlewares=[middleware], trace_configs=[trace])
    assert [request.body for request in server.requests] == [b"onetwo", b"a=1", b"bytes", b""]
    assert called == ["start /", "/"] * 3 + ["start /large", "/large"]
    assert all(request.values("x-own") == ["1"] for request in server.requests)


@pytest.mark.usefixtures("either_work")
def test_errors_timeouts_and_cancellation_work_as_before(server: RecordingServer) -> None:
    arrived, may_go = threading.Event(), threading.Event()

    def slow(request: Recorded) -> Answer:
        arrived.set()
        may_go.wait(60)
        return Answer()

    server.answers["/slow"] = slow
    server.answers["/missing"] = Answer(404)
    server.redirect("/loop", server.url("/loop"))

    async def work(session: aiohttp.ClientSession) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await read(session, server.url("/slow"), timeout=aiohttp.ClientTimeout(0.05))
        arrived.clear()
        task = asyncio.create_task(read(session, server.url("/slow")))
        await asyncio.to_thread(arrived.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_go.set()
        with pytest.raises(aiohttp.ClientResponseError, match="404"):
            await read(session, server.url("/missing"), raise_for_status=True)
        with pytest.raises(aiohttp.TooManyRedirects):
            await read(session, server.url("/loop"))
        with pytest.raises(aiohttp.InvalidURL):
            await read(session, "http://")

    in_session(work)


@pytest.mark.usefixtures("on")
def test_a_retry_after_a_broken_connection_carries_the_marker(server: RecordingServer) -> None:
    """aiohttp does that once, for a connection that it had kept."""

    async def work(session: aiohttp.ClientSession) -> None:
        await read(session, server.url("/kept"))
        for connections in session.connector._conns.values():  # type: ignore[union-attr]
            for connection, *_ in connections:
                connection.transport.abort()
        await read(session, server.url("/again"))

    with synthetic.simulated(run="rush-hour"):
        in_session(work)
    assert [request.path for request in server.requests] == ["/kept", "/again"]
    assert len({token_of(request) for request in server.requests}) == 1
