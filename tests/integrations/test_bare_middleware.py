"""A refused effect is a 403 under the bare middleware too, in frameworks that turn errors into responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.wsgi import WsgiToAsgi
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar, post
from quart import Quart
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import synthetic
import synthetic.asgi
import synthetic.wsgi
from tests.support.markers import marked

Keys = dict[str, Any]

charged: list[str] = []


@synthetic.guard("payment")
def charge() -> None:
    charged.append("charged")


def starlette() -> Any:
    def book(request: Any) -> PlainTextResponse:
        charge()
        return PlainTextResponse("booked")

    async def fail(request: Any) -> PlainTextResponse:
        raise LookupError("of the application")

    async def give_up(request: Any) -> PlainTextResponse:
        try:
            charge()
        except synthetic.EffectRefused:
            return PlainTextResponse("not charged", 402)
        return PlainTextResponse("booked")

    async def full(request: Any) -> PlainTextResponse:
        return PlainTextResponse("no driver is free", 503)

    routes = [("/book", book), ("/fail", fail), ("/give-up", give_up), ("/full", full)]
    return Starlette(routes=[Route(path, function, methods=["POST"]) for path, function in routes])


def debugging() -> Any:
    app = starlette()
    app.debug = True
    return app


def fastapi() -> Any:
    app = FastAPI()

    @app.post("/book")
    def book() -> str:
        charge()
        return "booked"

    @app.post("/fail")
    async def fail() -> None:
        raise LookupError("of the application")

    return app


def litestar() -> Any:
    @post("/book", sync_to_thread=False)
    def book() -> str:
        charge()
        return "booked"

    @post("/fail", sync_to_thread=False)
    def fail() -> str:
        raise LookupError("of the application")

    return Litestar([book, fail], openapi_config=None)


def quart() -> Any:
    app = Quart("rides")

    @app.post("/book")
    async def book() -> str:
        charge()
        return "booked"

    @app.post("/fail")
    async def fail() -> str:
        raise LookupError("of the application")

    return app


def flask() -> Any:
    app = Flask("rides")

    @app.post("/book")
    def book() -> str:
        charge()
        return "booked"

    @app.post("/fail")
    def fail() -> str:
        raise LookupError("of the application")

    @app.post("/full")
    def full() -> tuple[str, int]:
        return "no driver is free", 503

    return app


ASGI: dict[str, Callable[[], Any]] = {
    "Starlette": starlette,
    "Starlette, debug": debugging,
    "FastAPI": fastapi,
    "Litestar": litestar,
    "Quart": quart,
}
APPS: dict[str, Callable[[], Any]] = {
    **{name: lambda make=make: synthetic.asgi.SyntheticTrafficMiddleware(make()) for name, make in ASGI.items()},
    "Flask": lambda: WsgiToAsgi(synthetic.wsgi.SyntheticTrafficMiddleware(flask())),
}


@pytest.fixture(autouse=True)
def refusing(keys: Keys) -> None:
    charged.clear()
    synthetic.configure(keys=keys, policy={"payment": "refuse"})


@pytest.mark.parametrize("name", APPS)
def test_a_refused_effect_is_a_403_and_every_other_error_stays_as_it_is(name: str, keys: Keys) -> None:
    client = TestClient(APPS[name](), raise_server_exceptions=False)
    refused = client.post("/book", headers=dict(marked(keys)))
    assert (refused.status_code, refused.json()["reason"]) == (403, "effect-refused")
    assert refused.json()["effect"] == "payment"
    assert refused.headers["cache-control"] == "no-store"
    assert not charged
    assert client.post("/book").status_code in (200, 201)
    assert charged == ["charged"]
    for headers in ({}, dict(marked(keys))):
        assert client.post("/fail", headers=headers).status_code == 500


def test_a_refused_effect_that_the_application_answers_itself_stays_its_answer(keys: Keys) -> None:
    client = TestClient(APPS["Starlette"]())
    assert client.post("/give-up", headers=dict(marked(keys))).status_code == 402


def test_an_answered_refusal_is_no_error_for_the_server(keys: Keys) -> None:
    client = TestClient(APPS["Starlette"](), raise_server_exceptions=True)
    assert client.post("/book", headers=dict(marked(keys))).status_code == 403


@pytest.mark.parametrize("name", ["Starlette", "Flask"])
def test_a_server_error_of_the_application_itself_is_its_answer(name: str, keys: Keys) -> None:
    client = TestClient(APPS[name](), raise_server_exceptions=False)
    for headers in ({}, dict(marked(keys))):
        answer = client.post("/full", headers=headers)
        assert (answer.status_code, answer.text) == (503, "no driver is free")
