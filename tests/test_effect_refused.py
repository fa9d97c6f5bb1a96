"""How the bare middlewares handle an ``EffectRefused`` that the application does not catch."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import synthetic
from synthetic import EffectRefused, guard
from synthetic.asgi import SyntheticTrafficMiddleware as AsgiMiddleware
from synthetic.wsgi import SyntheticTrafficMiddleware as WsgiMiddleware
from synthetic_starlette import install
from tests.support.markers import marked
from tests.support.servers import uvicorn_server, waitress_server, wsgiref_server
from tests.support.wire import Connection, Response, get, request_bytes

Keys = dict[str, Any]

escaped: list[BaseException] = []
"""The exceptions that the middleware let through to the server."""

groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")


@guard("payment")
def charge() -> None:
    """An effect that the policy refuses."""


@guard("analytics")
def track() -> None:
    """Another effect that the policy refuses."""


@pytest.fixture(autouse=True)
def configured(keys: Keys) -> None:
    escaped.clear()
    synthetic.configure(keys=keys, policy={"payment": "refuse", "analytics": "refuse"})


@pytest.fixture(autouse=True)
def server_errors_are_not_logged() -> Iterator[None]:
    logger = logging.getLogger("uvicorn.error")
    logger.disabled, before = True, logger.disabled
    yield
    logger.disabled = before


def check_problem(response: Response, effect: str = "payment") -> None:
    assert response.status == 403
    assert response.values("content-type") == ["application/problem+json"]
    assert all("no-store" in value for value in response.values("cache-control"))
    assert response.values("cache-control")
    document = response.json()
    assert (document["status"], document["reason"], document["effect"]) == (403, "effect-refused", effect)
    assert response.values("content-length") == [str(len(response.body))]


# ASGI


def noting(app: Any) -> Any:
    async def noted(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except BaseException as error:
            escaped.append(error)
            raise

    return noted


async def start(send: Any, body: bytes = b"started", *, more: bool = True) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def in_a_group(*calls: Callable[[], Any]) -> None:
    async def call(one: Callable[[], Any]) -> None:
        one()

    async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined, unused-ignore]
        for one in calls:
            group.create_task(call(one))


async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
    action = scope["path"]
    if action == "/before":
        charge()
    elif action == "/group":
        await in_a_group(charge, charge)
    elif action == "/mixed-group":
        await in_a_group(charge, lambda: 1 / 0)
    elif action == "/after":
        await start(send)
        charge()
    elif action == "/at-the-end":
        await start(send, b"whole", more=False)
        charge()
    elif action == "/other":
        raise RuntimeError("the application fails")
    await start(send, b"done", more=False)


@pytest.fixture(scope="module", params=["h11", "httptools"])
def asgi_port(request: pytest.FixtureRequest) -> Iterator[int]:
    with uvicorn_server(noting(AsgiMiddleware(asgi_application)), http=request.param, lifespan="off") as port:
        yield port


def taken() -> list[BaseException]:
    found = list(escaped)
    escaped.clear()
    return found


@pytest.mark.parametrize("path", ["/before", pytest.param("/group", marks=groups)])
def test_a_refused_effect_before_an_asgi_response_becomes_a_problem_document(
    asgi_port: int, keys: Keys, path: str
) -> None:
    with Connection(asgi_port) as connection:
        for _ in range(2):  # the connection stays usable
            check_problem(connection.request(path, marked(keys)))
            assert connection.request(path).body == b"done"
    assert taken() == []


@groups
def test_a_mixed_exception_group_reaches_the_asgi_server(asgi_port: int, keys: Keys) -> None:
    assert get(asgi_port, "/mixed-group", marked(keys)).status == 500
    assert [type(error).__name__ for error in taken()] == ["ExceptionGroup"]


def test_a_refused_effect_within_an_asgi_response_reaches_the_server(asgi_port: int, keys: Keys) -> None:
    for path, body in (("/after", b"started"), ("/at-the-end", b"whole")):
        with Connection(asgi_port) as connection:
            connection.send(request_bytes(path, [*marked(keys), ("connection", "close")]))
            status, _ = connection.head()
            sent = connection.rest()
        assert status == 200
        assert body in sent
        assert b"effect-refused" not in sent
        (error,) = taken()
        assert isinstance(error, EffectRefused)
        assert error.effect == "payment"


def test_the_asgi_middleware_passes_other_errors_through(asgi_port: int, keys: Keys) -> None:
    for headers in (marked(keys), []):
        assert get(asgi_port, "/other", headers).status == 500
    assert [str(error) for error in taken()] == ["the application fails"] * 2


# Starlette, in another middleware


class Charging:
    """A third-party middleware with its own effect."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            charge()
        await self.app(scope, receive, send)


class ChargingInDispatch(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        charge()
        return await call_next(request)


class Grouping(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        await in_a_group(charge)
        return await call_next(request)


@contextmanager
def served(build: Callable[..., Any], middleware: Any) -> Iterator[int]:
    app = build(routes=[Route("/", lambda request: PlainTextResponse("done"))])
    app.add_middleware(middleware)
    install(app)
    with uvicorn_server(noting(app), lifespan="off") as port:
        yield port


@pytest.mark.parametrize("build", [Starlette, FastAPI])
@pytest.mark.parametrize("middleware", [Charging, ChargingInDispatch, pytest.param(Grouping, marks=groups)])
def test_a_refused_effect_in_another_middleware_becomes_a_problem_document(
    keys: Keys, build: Any, middleware: Any
) -> None:
    with served(build, middleware) as port:
        check_problem(get(port, "/", marked(keys)))
        assert get(port, "/").body == b"done"
    assert taken() == []


# WSGI


def wsgi_noting(app: Any) -> Any:
    def noted(environ: Any, start_response: Any) -> Any:
        try:
            yield from app(environ, start_response)
        except BaseException as error:
            escaped.append(error)
            raise

    return noted


def wsgi_application(environ: Any, start_response: Any) -> Any:
    return ACTIONS[environ["PATH_INFO"]](environ, start_response)


def before(environ: Any, start_response: Any) -> list[bytes]:
    charge()
    return done(environ, start_response)


def after_start_response(environ: Any, start_response: Any) -> list[bytes]:
    body = done(environ, start_response)
    track()
    return body


def before_as_a_generator(environ: Any, start_response: Any) -> Iterator[bytes]:
    charge()
    start_response("200 OK", [("content-length", "4")])
    yield b"done"


def in_the_first_step(environ: Any, start_response: Any) -> Iterator[bytes]:
    def steps() -> Iterator[bytes]:
        charge()
        yield b"done"

    start_response("200 OK", [("content-length", "4")])
    return steps()


def group(environ: Any, start_response: Any) -> list[bytes]:
    asyncio.run(in_a_group(charge))
    return done(environ, start_response)


def mixed_group(environ: Any, start_response: Any) -> list[bytes]:
    asyncio.run(in_a_group(charge, lambda: 1 / 0))
    return done(environ, start_response)


def after(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"started"
    charge()


def other(environ: Any, start_response: Any) -> list[bytes]:
    raise RuntimeError("the application fails")


def done(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("content-length", "4")])
    return [b"done"]


ACTIONS = {
    "/before": before,
    "/started": after_start_response,
    "/generator": before_as_a_generator,
    "/first-step": in_the_first_step,
    "/group": group,
    "/mixed-group": mixed_group,
    "/after": after,
    "/other": other,
}


@pytest.fixture(scope="module", params=[wsgiref_server, waitress_server])
def wsgi_port(request: pytest.FixtureRequest) -> Iterator[int]:
    with request.param(wsgi_noting(WsgiMiddleware(wsgi_application))) as port:
        yield port


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        ("/before", "payment"),
        ("/started", "analytics"),
        ("/generator", "payment"),
        ("/first-step", "payment"),
        pytest.param("/group", "payment", marks=groups),
    ],
)
def test_a_refused_effect_before_a_wsgi_response_becomes_a_problem_document(
    wsgi_port: int, keys: Keys, path: str, effect: str
) -> None:
    with Connection(wsgi_port) as connection:
        for _ in range(2):
            check_problem(connection.request(path, marked(keys)), effect)
            assert connection.request(path).body == b"done"
    assert taken() == []


@groups
def test_a_mixed_exception_group_reaches_the_wsgi_server(wsgi_port: int, keys: Keys) -> None:
    assert get(wsgi_port, "/mixed-group", marked(keys)).status == 500
    assert [type(error).__name__ for error in taken()] == ["ExceptionGroup"]


def test_a_refused_effect_within_a_wsgi_response_reaches_the_server(wsgi_port: int, keys: Keys) -> None:
    with Connection(wsgi_port) as connection:
        connection.send(request_bytes("/after", [*marked(keys), ("connection", "close")]))
        status, _ = connection.head()
        sent = connection.rest()
    assert status == 200
    assert b"started" in sent
    assert b"effect-refused" not in sent
    (error,) = taken()
    assert isinstance(error, EffectRefused)


def test_the_wsgi_middleware_passes_other_errors_through(wsgi_port: int, keys: Keys) -> None:
    for headers in (marked(keys), []):
        assert get(wsgi_port, "/other", headers).status == 500
    assert [str(error) for error in taken()] == ["the application fails"] * 2
