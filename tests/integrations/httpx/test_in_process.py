"""httpx and httpx2 that call an application in the same process: it is told what the work is, as any service is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import synthetic
import synthetic.asgi
import synthetic.wsgi
from tests.products.httpx import Product
from tests.products.httpx import product as product_named
from tests.support.clients import OURS, run_script


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS, "app"])


async def tell(request: Request) -> JSONResponse:
    marker = synthetic.current()
    return JSONResponse({"run": marker and marker.run, "lines": request.headers.getlist("baggage")})


async def tell_by_websocket(websocket: WebSocket) -> None:
    marker = synthetic.current()
    await websocket.accept()
    await websocket.send_json({"run": marker and marker.run})
    await websocket.close()


ASGI = synthetic.asgi.SyntheticTrafficMiddleware(
    Starlette(routes=[Route("/", tell), WebSocketRoute("/ws", tell_by_websocket)])
)


def wsgi_application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    marker = synthetic.current()
    return [(marker.run if marker else "real").encode()]


WSGI = synthetic.wsgi.SyntheticTrafficMiddleware(wsgi_application)


@pytest.mark.usefixtures("instrumented")
def test_an_asgi_application_in_the_same_process_sees_the_verdict(product: Product) -> None:
    async def calls() -> list[Any]:
        transport = product.library.ASGITransport(ASGI)
        async with product.library.AsyncClient(transport=transport, base_url="http://app") as client:
            with synthetic.simulated(run="rush-hour"):
                simulated = (await client.get("/")).json()
            with synthetic.real():
                return [simulated, (await client.get("/")).json()]

    simulated, real = asyncio.run(calls())
    assert (simulated["run"], len(simulated["lines"])) == ("rush-hour", 1)
    assert (real["run"], real["lines"]) == (None, [])


@pytest.mark.usefixtures("instrumented")
def test_a_wsgi_application_in_the_same_process_sees_the_verdict(product: Product) -> None:
    with product.library.Client(transport=product.library.WSGITransport(WSGI), base_url="http://app") as client:
        with synthetic.simulated(run="rush-hour"):
            assert client.get("/").text == "rush-hour"
        assert client.get("/").text == "real"


@pytest.mark.usefixtures("instrumented")
def test_a_call_to_an_application_in_the_same_process_is_decided_by_its_host(product: Product) -> None:
    transport = product.library.WSGITransport(WSGI)
    with (
        product.library.Client(transport=transport, base_url="http://elsewhere") as client,
        synthetic.simulated(run="rush-hour"),
        pytest.raises(product.ours.ExternalRequestRefused),
    ):
        client.get("/")


@pytest.fixture
def test_client() -> Iterator[TestClient]:
    library = TestClient.__mro__[1].__module__.partition(".")[0]
    with product_named(library).instrumented():
        yield TestClient(ASGI, base_url="http://app")


def test_starlettes_test_client_sends_the_marker(test_client: TestClient) -> None:
    with synthetic.simulated(run="rush-hour"):
        assert test_client.get("/").json()["run"] == "rush-hour"
        with test_client.websocket_connect("ws://app/ws") as websocket:
            assert websocket.receive_json() == {"run": "rush-hour"}
    assert test_client.get("/").json()["run"] is None
    with test_client.websocket_connect("ws://app/ws") as websocket:
        assert websocket.receive_json() == {"run": None}


WITHOUT_HTTPX2 = """
import sys, warnings
warnings.simplefilter("ignore")
sys.modules["httpx2"] = None
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware

async def tell(request):
    return PlainTextResponse(str(synthetic.is_synthetic()))

assert synthetic.instrument("httpx") == ("httpx",)
client = TestClient(SyntheticTrafficMiddleware(Starlette(routes=[Route("/", tell)])))
with synthetic.simulated(run="rush-hour"):
    print(client.get("/").text)
print(client.get("/").text)
"""


def test_starlettes_test_client_over_httpx_sends_the_marker_too(keys: dict[str, Any]) -> None:
    pytest.importorskip("httpx")
    assert run_script(WITHOUT_HTTPX2, keys=keys).split() == ["True", "False"]
