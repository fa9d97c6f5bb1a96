"""Quart behind the bare ASGI middleware, on uvicorn and on Hypercorn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from quart import Quart, Response, websocket

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.integration import problem_of
from tests.contract.lifetime import LifetimeContract, PersistentContract
from tests.products.quart import APP, hypercorn_server
from tests.support.entrances import asgi_entrances, entrances
from tests.support.handles import Server
from tests.support.markers import marked
from tests.support.servers import uvicorn_server

Keys = dict[str, Any]


def served() -> Any:
    return asgi_entrances(entrances(SyntheticTrafficMiddleware, APP))


class QuartContract(LifetimeContract):
    @pytest.fixture(autouse=True)
    def background_tasks(self) -> Iterator[None]:
        """Cover Quart's background tasks, which may go on after the request."""
        synthetic.instrument("concurrency")
        yield
        synthetic.uninstrument("concurrency")

    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_view_in_a_thread_sees_the_verdict(self, server: Server, keys: Keys, simulated: bool) -> None:
        server.configure(keys=keys)
        seen = self.call(server, "/plain/sync", marked(keys) if simulated else ()).json()
        assert (seen["simulated"], seen["explicit"]) == (simulated, True)


class TestUvicorn(QuartContract, PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with uvicorn_server(served(), http="h11") as port:
            yield Server(port)


class TestHypercorn(QuartContract, PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with hypercorn_server(served()) as port:
            yield Server(port)


# The idiom of Quart, and effects that are refused


@synthetic.guard("payment")
def charge() -> None:
    raise AssertionError("charged")


async def refused(error: Exception) -> Response:
    answer = problem_of(error)
    assert answer is not None
    return Response(answer.body, answer.status, headers=dict(answer.headers))


def rides() -> Quart:
    app = Quart("rides")
    app.asgi_app = SyntheticTrafficMiddleware(app.asgi_app)  # type: ignore[method-assign, unused-ignore]
    app.register_error_handler(synthetic.EffectRefused, refused)

    @app.post("/book")
    async def book() -> str:
        charge()
        return "booked"

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send_json({"run": getattr(synthetic.current(), "run", None)})

    return app


def test_an_effect_that_is_refused_is_a_403_where_the_application_says_so(keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})

    async def call() -> tuple[int, Any, str]:
        response = await rides().test_client().post("/book", headers=dict(marked(keys)))
        return response.status_code, (await response.get_json())["effect"], response.headers["cache-control"]

    assert asyncio.run(call()) == (403, "payment", "private, no-store")


@pytest.mark.parametrize("run", ["peak", None])
def test_a_websocket_has_the_verdict(keys: Keys, run: str | None) -> None:
    synthetic.configure(keys=keys)

    async def call() -> Any:
        headers = dict(marked(keys, run=run)) if run else {}
        async with rides().test_client().websocket("/ws", headers=headers) as connection:  # type: ignore[arg-type, unused-ignore]
            return await connection.receive_json()

    assert asyncio.run(call()) == {"run": run}
