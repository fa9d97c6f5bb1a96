"""aiohttp: a client and the header that arrived; a server and what its handler saw, over HTTP and over a websocket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web

import synthetic
from synthetic_aiohttp import install
from tests.matrix.cases import Case, Hop, judged, seen
from tests.support.recording_server import RecordingServer
from tests.support.wire import get


def _out(case: Case, server: RecordingServer) -> str:
    async def call(headers: dict[str, str]) -> None:
        async with aiohttp.ClientSession() as session, session.get(server.url(), headers=headers) as response:
            await response.read()

    synthetic.instrument("aiohttp")
    server.requests.clear()
    try:
        with case.work() as baggage:
            asyncio.run(call({} if baggage is None else {"baggage": baggage}))
    except synthetic.UnverifiedMarker:
        assert not server.requests
        return "refused"
    return judged(server.only.values("baggage"))


async def _tell(request: web.Request) -> web.Response:
    return web.Response(text=seen())


async def _tell_over_websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(seen())
    await socket.close()
    return socket


@contextmanager
def _server() -> Iterator[int]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get("/", _tell), web.get("/ws", _tell_over_websocket)])
        install(app)
        # aiohttp itself rejects headers of more than 8190 bytes.
        runner = web.AppRunner(app, access_log=None, max_field_size=32768)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield runner.addresses[0][1]
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _in(case: Case, port: int) -> str:
    response = get(port, "/", [("baggage", value) for value in case.headers()])
    if response.status == 403:
        return "refused"
    assert response.status == 200
    return response.body.decode()


def _in_by_websocket(case: Case, port: int) -> str:
    async def ask() -> str:
        headers = [("baggage", value) for value in case.headers()]
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/ws", headers=headers) as socket,
        ):
            return await socket.receive_str(timeout=60)

    try:
        return asyncio.run(ask())
    except aiohttp.WSServerHandshakeError as error:
        if error.status != 403:
            raise
        return "refused"


def _contrib_client() -> None:
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

    AioHttpClientInstrumentor().instrument()


def _contrib_server() -> None:
    from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

    AioHttpServerInstrumentor().instrument()


HOPS: list[Hop] = [
    Hop("aiohttp, client", "aiohttp", _out, {"contrib": _contrib_client}, servers=RecordingServer),
    Hop("aiohttp, server", "aiohttp", _in, {"contrib": _contrib_server}, servers=_server),
    Hop("aiohttp, server, websocket", "aiohttp", _in_by_websocket, {"contrib": _contrib_server}, servers=_server),
]
