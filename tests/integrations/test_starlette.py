"""Starlette and FastAPI with ``synthetic_starlette.install``, on uvicorn and with their test client."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from opentelemetry import baggage as otel_baggage
from opentelemetry import context
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

import synthetic
from synthetic_starlette import SyntheticTrafficMiddleware, install, marker
from tests.contract.lifetime import PersistentContract
from tests.products.fastapi import fastapi_application
from tests.products.starlette import installed, starlette_application
from tests.support.entrances import asgi_entrances, installed_entrances
from tests.support.handles import Server
from tests.support.markers import forged, marked
from tests.support.servers import uvicorn_server

Keys = dict[str, Any]


@contextmanager
def served(build: Callable[[], Starlette], http: str) -> Iterator[Server]:
    with uvicorn_server(asgi_entrances(installed_entrances(partial(installed, build))), http=http) as port:
        yield Server(port)


class StarletteContract(PersistentContract):
    @pytest.mark.parametrize("simulated", [True, False])
    def test_an_endpoint_in_the_thread_pool_sees_the_verdict(self, server: Server, keys: Keys, simulated: bool) -> None:
        server.configure(keys=keys)
        seen = self.call(server, "/plain/sync", marked(keys) if simulated else ()).json()
        assert (seen["simulated"], seen["explicit"]) == (simulated, True)

    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_stream_from_the_thread_pool_sees_the_verdict_at_each_step(
        self, server: Server, keys: Keys, simulated: bool
    ) -> None:
        server.configure(keys=keys)
        steps = self.call(server, "/plain/sync-stream", marked(keys) if simulated else ()).lines()
        assert [step["simulated"] for step in steps] == [simulated] * 3

    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_background_task_in_the_thread_pool_sees_the_verdict(
        self, server: Server, keys: Keys, simulated: bool
    ) -> None:
        server.configure(keys=keys)
        id_ = f"background-{type(self).__name__}-{simulated}"
        headers = [*(marked(keys) if simulated else ()), ("x-id", id_)]
        assert self.call(server, "/plain/after-sync", headers).status == 200
        assert server.step(id_, "after") is simulated


class TestStarlette(StarletteContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served(starlette_application, "h11") as server:
            yield server


class TestFastAPI(StarletteContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served(fastapi_application, "httptools") as server:
            yield server


# The marker in an application, and effects that are refused


@synthetic.guard("payment")
def charge() -> None:
    charged.append("charged")


charged: list[str] = []
called: list[str] = []


def rides() -> FastAPI:
    app = FastAPI()

    @app.get("/state")
    def state(request: Request) -> Any:
        found = request.state.marker
        return {"run": found and found.run, "same": found == synthetic.current()}

    @app.get("/depends")
    async def depends(found: Annotated[Any, Depends(marker)]) -> Any:
        return {"run": found and found.run}

    @app.post("/book")
    def book() -> Any:
        called.append("book")
        charge()
        return {"booked": True}

    @app.get("/unverified")
    def unverified() -> Any:
        return contextless(synthetic.is_synthetic)

    @app.websocket("/ws")
    async def ws(websocket: WebSocket, found: Annotated[Any, Depends(marker)]) -> None:
        called.append("ws")
        await websocket.accept()
        await websocket.send_json({"run": found and found.run})
        if await websocket.receive_text() == "book":
            charge()
        await websocket.close()

    return app


def contextless(question: Callable[[], Any]) -> Any:
    """Ask where nothing was admitted and only a bad entry is in the OpenTelemetry baggage."""

    def ask() -> Any:
        context.attach(otel_baggage.set_baggage("synthetic-traffic", "forged"))
        return question()

    return contextvars.Context().run(ask)


@pytest.fixture
def client(keys: Keys) -> Iterator[TestClient]:
    synthetic.configure(keys=keys)
    app = rides()
    install(app)
    charged.clear()
    called.clear()
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/state", "/depends"])
def test_an_endpoint_gets_the_marker_of_its_request(client: TestClient, path: str) -> None:
    assert client.get(path).json()["run"] is None
    with synthetic.simulated(run="peak"):
        assert client.get(path, headers=synthetic.headers()).json()["run"] == "peak"
    assert client.get(path).json()["run"] is None


def test_the_marker_in_the_state_is_the_current_one(client: TestClient) -> None:
    with synthetic.simulated(run="peak", actor="rider-7", kind="test"):
        assert client.get("/state", headers=synthetic.headers()).json()["same"] is True
    assert client.get("/state").json() == {"run": None, "same": True}


def test_the_dependency_gives_none_without_the_middleware() -> None:
    with TestClient(rides()) as client:
        assert client.get("/depends").json() == {"run": None}


def test_a_test_client_sends_no_marker_by_itself(client: TestClient) -> None:
    with synthetic.simulated(run="peak"):
        assert client.get("/depends").json() == {"run": None}


def test_an_effect_that_is_refused_is_a_problem_that_names_it(client: TestClient, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    response = client.post("/book", headers=dict(marked(keys)))
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.json()["effect"] == "payment"
    assert response.json()["reason"] == "effect-refused"
    assert (called, charged) == (["book"], [])


def test_a_real_request_has_its_effects_whatever_the_policy_says(client: TestClient, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    assert client.post("/book").json() == {"booked": True}
    assert charged == ["charged"]


def test_a_refused_request_never_reaches_the_application(client: TestClient, keys: Keys) -> None:
    response = client.post("/book", headers=dict(forged(keys)))
    assert (response.status_code, response.json()["reason"]) == (403, "bad-signature")
    assert (called, charged) == ([], [])


def test_unverified_work_gets_a_problem_response_and_not_a_server_error(client: TestClient) -> None:
    response = client.get("/unverified")
    assert (response.status_code, response.json()["reason"]) == (403, "malformed")


def test_a_websocket_has_the_marker_and_ends_where_an_effect_is_refused(client: TestClient, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    with client.websocket_connect("/ws", headers=dict(marked(keys, run="peak"))) as websocket:
        assert websocket.receive_json() == {"run": "peak"}
        websocket.send_text("book")
        with pytest.raises(WebSocketDisconnect) as ended:
            websocket.receive_text()
    assert (ended.value.code, ended.value.reason) == (1008, "effect-refused")
    assert charged == []


def test_a_refused_websocket_never_reaches_the_application(client: TestClient, keys: Keys) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refusal,
        client.websocket_connect("/ws", headers=dict(forged(keys))),
    ):
        pass
    assert (refusal.value.status_code, refusal.value.json()["reason"]) == (403, "bad-signature")
    assert called == []


def test_the_middleware_alone_can_be_added_to_an_application(keys: Keys) -> None:
    synthetic.configure(keys=keys)
    app = Starlette()
    app.add_route("/", lambda request: JSONResponse({"run": getattr(marker(request), "run", None)}))
    app.add_middleware(SyntheticTrafficMiddleware, edge=False)  # type: ignore[arg-type, unused-ignore]
    with TestClient(app) as client:
        assert client.get("/", headers=dict(marked(keys, run="peak"))).json() == {"run": "peak"}
        assert client.get("/").json() == {"run": None}


def test_the_state_of_the_application_is_kept(keys: Keys) -> None:
    synthetic.configure(keys=keys)

    @asynccontextmanager
    async def lifespan(app: Any) -> Any:
        yield {"pool": "open"}

    app = Starlette(lifespan=lifespan)
    app.add_route("/", lambda request: JSONResponse([request.state.pool, marker(request) is not None]))
    install(app)
    with TestClient(app) as client:
        assert client.get("/", headers=dict(marked(keys))).json() == ["open", True]
        assert client.get("/").json() == ["open", False]
