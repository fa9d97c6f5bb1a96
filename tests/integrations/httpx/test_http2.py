"""httpx and httpx2 over HTTP/2, and over what only httpx2 has: WebSockets, server-sent events, QUERY."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.products.httpx import Product
from tests.products.httpx import product as product_named
from tests.support.clients import OURS, claims_of
from tests.support.servers import uvicorn_server


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture
def product(product: Product) -> Iterator[Product]:
    with product.instrumented():
        yield product


@pytest.fixture
def httpx2() -> Iterator[Product]:
    product = product_named("httpx2")
    with product.instrumented():
        yield product


def run_in_force() -> str | None:
    marker = synthetic.current()
    return marker and marker.run


async def tell(request: Request) -> JSONResponse:
    return JSONResponse({"run": run_in_force(), "method": request.method})


async def tell_by_websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json({"run": run_in_force()})
    await websocket.close()


async def tell_by_event(request: Request) -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        yield f"data: {json.dumps({'run': run_in_force()})}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


APP = SyntheticTrafficMiddleware(
    Starlette(
        routes=[
            Route("/", tell, methods=["QUERY"]),
            Route("/events", tell_by_event),
            WebSocketRoute("/ws", tell_by_websocket),
        ]
    )
)


def test_each_request_of_an_http2_connection_carries_its_own_marker(product: Product) -> None:
    http2_server = pytest.importorskip("tests.products.httpx.http2_server", reason="h2 is not installed")

    async def ride(client: Any, server: Any, number: int) -> str:
        with synthetic.simulated(run=f"run-{number}") if number % 2 else synthetic.real():
            response = await client.get(server.url(f"/{number}"))
        return str(response.http_version)

    async def rides(server: Any) -> set[str]:
        transport = product.library.AsyncHTTPTransport(verify=False, http1=False, http2=True)
        async with product.library.AsyncClient(transport=transport) as client:
            return set(await asyncio.gather(*(ride(client, server, number) for number in range(8))))

    with http2_server.Http2Server() as server:
        assert asyncio.run(rides(server)) == {"HTTP/2"}
        transport = product.library.HTTPTransport(verify=False, http1=False, http2=True)
        with product.library.Client(transport=transport) as client, synthetic.simulated(run="run-8"):
            client.post(server.url("/8"), content=b"x" * 100_000)
    expected = {f"/{number}": f"run-{number}" if number % 2 or number == 8 else None for number in range(9)}
    assert {path: run_of(came) for path, came in server.baggage.items()} == expected


def run_of(came: list[str]) -> Any:
    if not came:
        return None
    (line,) = came
    return claims_of(line.removeprefix("synthetic-traffic="))["run"]


def needs(product: Product, feature: str) -> None:
    if not hasattr(product.library.Client, feature):
        pytest.skip(f"httpx2 {product.library.__version__} has no {feature}")
    if feature == "websocket":
        pytest.importorskip("wsproto")


def test_a_websocket_of_httpx2_carries_the_marker(httpx2: Product) -> None:
    needs(httpx2, "websocket")

    async def call(url: str) -> Any:
        async with (
            httpx2.library.AsyncClient(transport=httpx2.transport(is_async=True)) as client,
            client.websocket(url) as websocket,
        ):
            return await websocket.receive_json()

    with uvicorn_server(APP) as port:
        url = f"ws://{OURS}:{port}/ws"
        with synthetic.simulated(run="rush-hour"):
            with (
                httpx2.library.Client(transport=httpx2.transport()) as client,
                client.websocket(url) as websocket,
            ):
                assert websocket.receive_json() == {"run": "rush-hour"}
            assert asyncio.run(call(url)) == {"run": "rush-hour"}
        assert asyncio.run(call(url)) == {"run": None}


def test_a_websocket_of_httpx2_to_a_host_that_does_not_take_part_is_refused(httpx2: Product) -> None:
    needs(httpx2, "websocket")
    with (
        synthetic.simulated(run="rush-hour"),
        httpx2.library.Client(transport=httpx2.transport()) as client,
        pytest.raises(httpx2.ours.ExternalRequestRefused),
        client.websocket("ws://vendor.example/ws"),
    ):
        pass


def test_events_and_queries_of_httpx2_carry_the_marker(httpx2: Product) -> None:
    needs(httpx2, "sse")
    needs(httpx2, "query")
    with uvicorn_server(APP) as port, httpx2.library.Client(transport=httpx2.transport()) as client:
        with synthetic.simulated(run="rush-hour"):
            with client.sse(f"http://{OURS}:{port}/events") as events:
                assert [event.json() for event in events] == [{"run": "rush-hour"}]
            told = client.query(f"http://{OURS}:{port}/", content=b"select").json()
        assert (told["run"], told["method"]) == ("rush-hour", "QUERY")
