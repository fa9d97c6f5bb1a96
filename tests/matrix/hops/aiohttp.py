"""aiohttp: a client and the header that arrived; a server and what its handler saw, over HTTP and over a websocket."""

from __future__ import annotations

from contextlib import AbstractContextManager

import aiohttp
from aiohttp import web

from synthetic_aiohttp import install
from tests.matrix.cases import Case, Hop, answered, seen
from tests.matrix.clients import client_hop
from tests.products import aiohttp as product
from tests.products.aiohttp import server


async def _tell(request: web.Request) -> web.Response:
    return web.Response(text=seen())


async def _tell_over_websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(seen())
    await socket.close()
    return socket


def _application() -> web.Application:
    app = web.Application()
    app.add_routes([web.get("/", _tell), web.get("/ws", _tell_over_websocket)])
    install(app)
    return app


def _server() -> AbstractContextManager[int]:
    return server.aiohttp_server(_application)


def _in_by_websocket(case: Case, port: int) -> str:
    async def ask(session: aiohttp.ClientSession) -> str:
        headers = [("baggage", value) for value in case.headers()]
        async with session.ws_connect(f"http://127.0.0.1:{port}/ws", headers=headers) as socket:
            return await socket.receive_str(timeout=60)

    try:
        return str(product.in_session(ask))
    except aiohttp.WSServerHandshakeError as error:
        if error.status != 403:
            raise
        return "refused"


def _contrib() -> None:
    server.instrumentor().instrument()


HOPS: list[Hop] = [
    client_hop("aiohttp, client", product.NAME, product.get, product.instrumentor),
    Hop("aiohttp, server", "aiohttp", answered, {"contrib": _contrib}, servers=_server),
    Hop("aiohttp, server, websocket", "aiohttp", _in_by_websocket, {"contrib": _contrib}, servers=_server),
]
