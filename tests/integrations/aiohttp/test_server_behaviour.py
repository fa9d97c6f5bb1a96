"""aiohttp's server: the marker in an application, effects that are refused, websockets, others beside ours."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

import synthetic
from synthetic.errors import ConfigurationError
from synthetic.integration import Reason
from synthetic_aiohttp import install, marker, middleware
from tests.products.aiohttp.server import (
    aiohttp_server,
    body,
    generated,
    instrumentor,
    reporting_application,
    steps_of,
)
from tests.support.markers import baggage, forged, marked
from tests.support.servers import wait_until
from tests.support.switches import made_or_skipped
from tests.support.wire import Connection, Response, get, request_bytes

Keys = dict[str, Any]

# The marker in an application, and effects that are refused


@synthetic.guard("payment")
def charge() -> None:
    charged.append("charged")


charged: list[str] = []
called: list[str] = []
noted: dict[str, Any] = {}


async def state(request: web.Request) -> web.Response:
    found = marker(request)
    same = found == synthetic.current() == request["marker"]
    return web.json_response({"run": found and found.run, "same": same})


async def book(request: web.Request) -> web.Response:
    called.append("book")
    charge()
    return web.json_response({"booked": True})


async def book_late(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"started")
    charge()
    return response


async def found_elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPFound("/state", headers={"Cache-Control": "public"})


async def ws(request: web.Request) -> web.WebSocketResponse:
    called.append("ws")
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_json({"text": message.data, "simulated": synthetic.is_synthetic()})
    return socket


def rides(**settings: Any) -> web.Application:
    app = web.Application()
    app.add_routes(
        [
            web.get("/state", state),
            web.post("/book", book),
            web.get("/book-late", book_late),
            web.get("/found", found_elsewhere),
            web.get("/ws", ws),
        ]
    )
    install(app, **settings)
    return app


@pytest.fixture
def port(keys: Keys) -> Iterator[int]:
    synthetic.configure(keys=keys)
    charged.clear()
    called.clear()
    noted.clear()
    with aiohttp_server(rides) as port:
        yield port


def post(port: int, path: str, headers: Any = ()) -> Response:
    with Connection(port) as connection:
        return connection.request(path, headers, method="POST")


def test_a_handler_gets_the_marker_of_its_request(port: int, keys: Keys) -> None:
    assert get(port, "/state").json() == {"run": None, "same": True}
    assert get(port, "/state", marked(keys, run="peak")).json() == {"run": "peak", "same": True}
    assert get(port, "/state").json() == {"run": None, "same": True}


def test_there_is_no_marker_without_the_middleware() -> None:
    def plain() -> web.Application:
        app = web.Application()

        async def tell(request: web.Request) -> web.Response:
            return web.json_response(marker(request))

        app.router.add_get("/", tell)
        return app

    with aiohttp_server(plain) as port:
        assert get(port, "/").json() is None


def test_an_effect_that_is_refused_is_a_problem_that_names_it(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    response = post(port, "/book", marked(keys))
    assert (response.status, response.values("content-type")) == (403, ["application/problem+json"])
    assert response.values("cache-control") == ["private, no-store"]
    assert (response.json()["effect"], response.json()["reason"]) == ("payment", "effect-refused")
    assert (called, charged) == (["book"], [])
    assert post(port, "/book").json() == {"booked": True}
    assert charged == ["charged"]


def test_an_effect_that_is_refused_after_the_response_began_ends_the_connection(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    with Connection(port) as connection:
        connection.send(
            b"GET /book-late HTTP/1.1\r\nhost: test\r\nbaggage: " + marked(keys)[0][1].encode() + b"\r\n\r\n"
        )
        assert connection.head()[0] == 200
        assert connection.rest() == b"7\r\nstarted\r\n"
    assert charged == []


def test_an_effect_that_is_refused_while_a_body_is_generated_leaves_no_complete_response(keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    charged.clear()

    async def steps() -> AsyncIterator[bytes]:
        charge()
        yield b"booked"

    async def generate(request: web.Request) -> web.Response:
        return web.Response(body=steps())

    def build() -> web.Application:
        app = web.Application()
        app.router.add_get("/", generate)
        install(app)
        return app

    with aiohttp_server(build) as port, Connection(port) as connection:
        connection.send(request_bytes("/", marked(keys)))
        assert b"booked" not in (received := connection.rest())
        assert not received.endswith(b"0\r\n\r\n")
    assert charged == []


def test_a_refused_request_never_reaches_the_application(port: int, keys: Keys) -> None:
    response = post(port, "/book", forged(keys))
    assert (response.status, response.json()["reason"]) == (403, "bad-signature")
    assert (called, charged) == ([], [])


def test_a_response_that_is_raised_must_not_be_cached(port: int, keys: Keys) -> None:
    response = get(port, "/found", marked(keys))
    assert (response.status, response.values("cache-control")) == (302, ["private, no-store"])
    assert get(port, "/found").values("cache-control") == ["public"]


def test_unverified_work_gets_a_problem_response_and_not_a_server_error() -> None:
    def unverified() -> web.Application:
        async def ask(request: web.Request) -> web.Response:
            raise synthetic.UnverifiedMarker(Reason.MALFORMED)

        app = web.Application(middlewares=[middleware()])
        app.router.add_get("/", ask)
        return app

    with aiohttp_server(unverified) as port:
        response = get(port, "/")
    assert (response.status, response.json()["reason"]) == (403, "malformed")


# Websockets


async def talk(port: int, headers: Any, *texts: str) -> list[Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{port}/ws", headers=headers) as socket,
    ):
        answers = []
        for text in texts:
            await socket.send_str(text)
            answers.append(await socket.receive_json(timeout=60))
        return answers


@pytest.mark.parametrize("simulated", [True, False])
def test_each_message_of_a_websocket_sees_the_verdict(port: int, keys: Keys, simulated: bool) -> None:
    answers = asyncio.run(talk(port, marked(keys) if simulated else [], "one", "two"))
    assert answers == [{"text": text, "simulated": simulated} for text in ("one", "two")]
    assert get(port, "/state").json()["run"] is None


def test_an_effect_that_is_refused_on_a_websocket_ends_it(keys: Keys) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    charged.clear()

    async def paying(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        charge()
        return socket

    def build() -> web.Application:
        app = web.Application()
        app.router.add_get("/ws", paying)
        install(app)
        return app

    async def pay(port: int) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/ws", headers=marked(keys)) as socket,
        ):
            await socket.send_str("pay")
            return (await socket.receive(timeout=60)).type

    with aiohttp_server(build) as port:
        assert asyncio.run(pay(port)) in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert charged == []


def test_a_refused_websocket_never_reaches_the_application(port: int, keys: Keys) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        asyncio.run(talk(port, forged(keys), "one"))
    assert refusal.value.status == 403
    assert called == []


def test_a_marked_websocket_gets_429_while_the_service_sheds(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed=lambda: True)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        asyncio.run(talk(port, marked(keys), "one"))
    assert refusal.value.status == 429
    assert called == []


# How it fits into an application


def test_install_puts_the_middleware_before_those_of_the_application(keys: Keys) -> None:
    synthetic.configure(keys=keys)
    seen: list[bool] = []

    def build() -> web.Application:
        @web.middleware
        async def inner(request: web.Request, handler: Any) -> Any:
            seen.append(synthetic.is_synthetic())
            return await handler(request)

        app = web.Application(middlewares=[inner])
        app.router.add_get("/", state)
        install(app)
        return app

    with aiohttp_server(build) as port:
        get(port, "/", marked(keys))
        get(port, "/", forged(keys))
        get(port, "/")
    assert seen == [True, False]


def test_a_response_signal_handler_sees_the_verdict_and_cannot_allow_caching(keys: Keys) -> None:
    synthetic.configure(keys=keys)
    seen: list[bool] = []

    def build() -> web.Application:
        async def preparing(request: web.Request, response: web.StreamResponse) -> None:
            seen.append(synthetic.is_synthetic())
            response.headers["Cache-Control"] = "public"

        app = web.Application()
        app.router.add_get("/", state)
        install(app)
        app.on_response_prepare.append(preparing)
        return app

    with aiohttp_server(build) as port:
        assert get(port, "/", marked(keys)).values("cache-control") == ["private, no-store"]
        assert get(port, "/").values("cache-control") == ["public"]
    assert seen == [True, False]


@pytest.mark.parametrize("simulated", [True, False])
def test_a_body_is_generated_under_the_verdict_behind_an_outer_middleware_with_its_own_task(
    keys: Keys, simulated: bool
) -> None:
    synthetic.configure(keys=keys)

    def build() -> web.Application:
        @web.middleware
        async def in_a_task(request: web.Request, handler: Any) -> Any:
            return await asyncio.create_task(handler(request))

        app = web.Application(middlewares=[in_a_task, middleware()])
        app.router.add_get("/", generated)
        return app

    with aiohttp_server(build) as port:
        steps = get(port, "/", marked(keys) if simulated else ()).lines()
    assert [(step["simulated"], step["explicit"]) for step in steps] == [(simulated, True)] * 3


def test_a_request_whose_body_was_already_read_is_rewritten(keys: Keys) -> None:
    synthetic.configure(keys=keys)

    def build() -> web.Application:
        @web.middleware
        async def reading(request: web.Request, handler: Any) -> Any:
            await request.read()
            return await handler(request)

        app = web.Application(middlewares=[reading, middleware()])
        app.router.add_post("/", body)
        return app

    ((_, value),) = marked(keys)
    with aiohttp_server(build) as port, Connection(port) as connection:
        seen = connection.request("/", baggage("user=7", value), method="POST", body=b"four").json()
    assert (seen["length"], seen["simulated"]) == (4, True)
    assert ",".join(seen["baggage"]) == f"{value},user=7"


def test_a_response_is_freed_as_soon_as_it_was_sent(keys: Keys) -> None:
    synthetic.configure(keys=keys)
    made: list[weakref.ref[web.Response]] = []

    async def answer(request: web.Request) -> web.Response:
        response = web.Response(body=steps_of(request))
        made.append(weakref.ref(response))
        return response

    def build() -> web.Application:
        app = web.Application()
        app.router.add_get("/", answer)
        install(app)
        return app

    gc.collect()
    gc.disable()
    try:
        with aiohttp_server(build) as port:
            for _ in range(2):
                assert len(get(port, "/").lines()) == 3
            wait_until(lambda: made[0]() is None)
    finally:
        gc.enable()


def test_a_wrong_setting_raises_an_error_when_the_application_is_built() -> None:
    with pytest.raises(ConfigurationError):
        middleware(on_missing="perhaps")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="needs keys"):
        middleware(on_unverified="strip")


def test_only_an_aiohttp_application_can_be_protected() -> None:
    with pytest.raises(TypeError, match=r"is not an aiohttp\.web\.Application"):
        install(object())  # type: ignore[arg-type]


# Beside OpenTelemetry, which extracts no baggage here


@pytest.mark.filterwarnings("ignore:Inheritance class _InstrumentedApplication:DeprecationWarning")
@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("simulated", [True, False])
def test_the_verdict_and_the_baggage_are_present_in_either_order_with_opentelemetry(
    keys: Keys, ours_first: bool, simulated: bool
) -> None:
    theirs = made_or_skipped(instrumentor)
    from opentelemetry.sdk.trace import TracerProvider

    synthetic.configure(keys=keys)
    original = web.Application

    def build() -> web.Application:
        app = reporting_application()
        if ours_first:
            install(app)
        else:
            app.middlewares.append(middleware())
        return app

    theirs.instrument(tracer_provider=TracerProvider())
    try:
        with aiohttp_server(build) as port:
            for path in ("/echo", "/generated"):
                seen = get(port, path, marked(keys) if simulated else ()).lines()[-1]
                assert (seen["simulated"], seen["explicit"]) == (simulated, True)
                assert ("synthetic-traffic" in seen["otel"]) is simulated
            assert get(port, "/echo", forged(keys)).status == 403
    finally:
        theirs.uninstrument()
    assert web.Application is original


def test_a_marked_request_leaves_nothing_on_its_connection(port: int, keys: Keys) -> None:
    id_ = uuid4().hex
    with Connection(port) as connection:
        for headers, run in ((marked(keys, run="peak"), "peak"), ([("x-id", id_)], None)) * 3:
            assert connection.request("/state", headers).json()["run"] == run
