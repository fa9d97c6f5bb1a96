"""Litestar behind the bare ASGI middleware, around the application and among its middleware, on uvicorn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from litestar import Litestar, Request, Response, WebSocket, post, websocket
from litestar.middleware import DefineMiddleware
from litestar.testing import TestClient

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.integration import problem_of
from tests.contract.lifetime import PersistentContract
from tests.products.litestar import application
from tests.support.entrances import asgi_entrances, entrances
from tests.support.handles import Server
from tests.support.markers import forged, marked
from tests.support.servers import uvicorn_server

Keys = dict[str, Any]


def around() -> dict[str, Any]:
    return entrances(SyntheticTrafficMiddleware, application())


def among() -> dict[str, Any]:
    ours = DefineMiddleware(SyntheticTrafficMiddleware)
    return {
        "plain": application(ours),
        "internal": application(DefineMiddleware(SyntheticTrafficMiddleware, edge=False)),
        "strict": application(DefineMiddleware(SyntheticTrafficMiddleware, on_missing="refuse")),
        "twice": application(ours, ours),
    }


@contextmanager
def served(apps: Callable[[], dict[str, Any]], http: str) -> Iterator[Server]:
    with uvicorn_server(asgi_entrances(apps()), http=http) as port:
        yield Server(port)


class LitestarContract(PersistentContract):
    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_handler_in_a_thread_sees_the_verdict(self, server: Server, keys: Keys, simulated: bool) -> None:
        server.configure(keys=keys)
        seen = self.call(server, "/plain/sync", marked(keys) if simulated else ()).json()
        assert (seen["simulated"], seen["explicit"]) == (simulated, True)


class TestAround(LitestarContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served(around, "httptools") as server:
            yield server


class TestAmong(LitestarContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served(among, "h11") as server:
            yield server


# Effects that are refused, and websockets


@synthetic.guard("payment")
def charge() -> None:
    raise AssertionError("charged")


@post("/book")
async def book() -> str:
    charge()
    return "booked"


@websocket("/ws")
async def ws(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_json({"run": getattr(synthetic.current(), "run", None)})
    await socket.close()


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    answer = problem_of(error)
    assert answer is not None
    return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))


def test_an_effect_that_is_refused_is_a_403_where_the_application_says_so(keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    app = Litestar(
        [book], exception_handlers={synthetic.EffectRefused: refused}, openapi_config=None, logging_config=None
    )
    with TestClient(SyntheticTrafficMiddleware(app)) as client:
        response = client.post("/book", headers=dict(marked(keys)))
    assert (response.status_code, response.json()["effect"]) == (403, "payment")
    assert response.headers["cache-control"] == "private, no-store"


def test_a_websocket_has_the_verdict_and_a_refused_one_never_opens(keys: Keys) -> None:
    synthetic.configure(keys=keys)
    app = SyntheticTrafficMiddleware(Litestar([ws], openapi_config=None, logging_config=None))
    with TestClient(app) as client:
        with client.websocket_connect("/ws", headers=dict(marked(keys, run="peak"))) as socket:
            assert socket.receive_json() == {"run": "peak"}
        with client.websocket_connect("/ws") as socket:
            assert socket.receive_json() == {"run": None}
        with (
            pytest.raises(Exception, match="bad-signature"),
            client.websocket_connect("/ws", headers=dict(forged(keys))),
        ):
            pass
