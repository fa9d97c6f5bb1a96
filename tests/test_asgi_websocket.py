"""WebSockets through the ASGI middleware: uvicorn and a real client."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.entrances import asgi_entrances, entrances
from tests.support.handles import Server
from tests.support.markers import REFUSED, baggage, forged, marked
from tests.support.reporting_asgi import application
from tests.support.servers import uvicorn_server
from tests.support.wire import get

Keys = dict[str, Any]


def without_response_extension(app: Any) -> Any:
    """Imitate a server that cannot answer a handshake with a response from the application."""

    async def hidden(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    return hidden


@pytest.fixture(scope="module", params=["h11", "httptools"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    apps = entrances(SyntheticTrafficMiddleware, application)
    apps["plainer"] = without_response_extension(apps["plain"])
    with uvicorn_server(asgi_entrances(apps), http=request.param) as port:
        yield Server(port)


def opened(server: Server, path: str, headers: Any = ()) -> Any:
    return connect(f"ws://127.0.0.1:{server.port}{path}", additional_headers=list(headers), proxy=None)


def asked(websocket: Any) -> Any:
    websocket.send("what do you see?")
    return json.loads(websocket.recv())


@pytest.mark.parametrize("entrance", ["plain", "plainer", "twice"])
def test_a_marked_websocket_is_simulated_for_each_of_its_messages(server: Server, keys: Keys, entrance: str) -> None:
    synthetic.configure(keys=keys)
    id_ = uuid4().hex
    with opened(server, f"/{entrance}/ws", [*marked(keys, sub="rider-7"), ("x-id", id_)]) as websocket:
        seen = [asked(websocket) for _ in range(3)]
    assert [(each["simulated"], each["marker"]["actor"], len(each["baggage"])) for each in seen] == [
        (True, "rider-7", 1)
    ] * 3
    assert server.step(id_, "closed") is True


def test_an_unmarked_websocket_is_explicitly_real(server: Server, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    with opened(server, "/plain/ws") as websocket:
        assert (asked(websocket)["simulated"], asked(websocket)["explicit"]) == (False, True)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_websocket_gets_the_same_response_as_a_request(server: Server, keys: Keys, kind: str) -> None:
    if kind == "escape in the key" and int(version("websockets").partition(".")[0]) < 17:
        pytest.skip("a client of websockets before 17 sends its headers in UTF-8, which leaves no stray byte")
    synthetic.configure(keys=keys)
    headers, reason = REFUSED[kind]
    id_ = uuid4().hex
    with pytest.raises(InvalidStatus) as refusal:
        opened(server, "/plain/ws", [*headers(keys), ("x-id", id_)])
    response = refusal.value.response
    assert (response.status_code, json.loads(response.body)["reason"]) == (403, reason)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert server.journal(id_) == {}


def test_a_marked_websocket_gets_429_while_the_service_sheds(server: Server, keys: Keys) -> None:
    synthetic.configure(keys=keys, shed=lambda: True)
    with pytest.raises(InvalidStatus) as refusal:
        opened(server, "/plain/ws", marked(keys))
    response = refusal.value.response
    assert (response.status_code, json.loads(response.body)["reason"]) == (429, "shed")
    assert int(response.headers["retry-after"]) > 0


def test_a_refused_websocket_is_closed_unaccepted_without_the_response_extension(server: Server, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    id_ = uuid4().hex
    with pytest.raises(InvalidStatus) as refusal:
        opened(server, "/plainer/ws", [*forged(keys), ("x-id", id_)])
    assert refusal.value.response.status_code == 403
    assert server.journal(id_) == {}


def test_an_unmarked_websocket_is_refused_when_markers_are_required(server: Server, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    with pytest.raises(InvalidStatus) as refusal:
        opened(server, "/strict/ws", baggage("user=7"))
    assert json.loads(refusal.value.response.body)["reason"] == "missing"


def test_a_broken_websocket_leaves_no_verdict_behind(server: Server, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    id_ = uuid4().hex
    with opened(server, "/plain/ws", [*marked(keys), ("x-id", id_)]) as websocket:
        assert asked(websocket)["simulated"] is True
        websocket.socket.shutdown(socket.SHUT_RDWR)
        assert server.step(id_, "closed") is True
    assert get(server.port, "/plain/echo").json()["simulated"] is False
