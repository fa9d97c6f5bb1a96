"""The ASGI middleware beside OpenTelemetry's, FastAPI's own and Starlette's own, in each order.

Starlette has its own telemetry since 1.7 and FastAPI since 0.142. Older versions lack those rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.support.arrangements import ARRANGEMENTS
from tests.support.entrances import asgi_entrances
from tests.support.keys import entry, mint
from tests.support.markers import STRANGERS, baggage, forged, marked
from tests.support.servers import uvicorn_server
from tests.support.wire import Connection, Response, get

Keys = dict[str, Any]
TRACE = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    apps = {str(number): build() for number, build in enumerate(ARRANGEMENTS.values())}
    with uvicorn_server(asgi_entrances({**apps, "plain": apps["0"]}), http="h11") as port:
        yield port


@pytest.fixture(params=ARRANGEMENTS)
def path(request: pytest.FixtureRequest) -> str:
    return f"/{list(ARRANGEMENTS).index(request.param)}/echo"


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def check_real(response: Response) -> None:
    seen = response.json()
    assert (seen["simulated"], seen["explicit"], seen["headers"]) == (False, True, {})
    assert "synthetic-traffic" not in seen["otel"]
    assert "synthetic-traffic" not in (seen["injected"] or "")


def check_simulated(response: Response, token: str) -> None:
    seen = response.json()
    assert (seen["simulated"], seen["explicit"]) == (True, True)
    assert seen["headers"] == {"baggage": entry(token)}
    assert seen["otel"]["synthetic-traffic"] == token
    assert seen["injected"].split(",")[0] == entry(token)
    assert seen["injected"].count("synthetic-traffic") == 1


def test_a_good_marker_is_seen_and_forwarded(port: int, path: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys)
    response = get(port, path, [*baggage(f"user=7,{entry(token)}"), TRACE])
    check_simulated(response, token)
    assert response.json()["otel"].get("user", "7") == "7"


def test_a_good_marker_in_a_second_header_is_seen_and_forwarded(port: int, path: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys)
    check_simulated(get(port, path, baggage("vendor-trace_id=1,vendor-sampled=true", entry(token))), token)


def test_a_forged_marker_is_refused(port: int, path: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    assert get(port, path, [*forged(keys), TRACE]).json()["reason"] == "bad-signature"


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stripped_entry_does_not_come_back(port: int, path: str, keys: Keys, stranger: str) -> None:
    synthetic.configure(keys=keys, on_unverified="strip")
    response = get(port, path, [*baggage(f"user=7,{stranger}"), TRACE])
    check_real(response)
    assert response.json()["baggage"] == ["user=7"]


@pytest.mark.parametrize("headers", [[], [TRACE], baggage("user=7")])
def test_a_request_without_a_marker_is_real(port: int, path: str, keys: Keys, headers: Any) -> None:
    synthetic.configure(keys=keys)
    check_real(get(port, path, headers))


def test_the_request_after_a_marked_one_on_the_connection_is_real(port: int, path: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    with Connection(port) as connection:
        first = connection.request(path, marked(keys), method="POST", body=b"x" * 300_000)
        assert (first.json()["simulated"], first.json()["length"]) == (True, 300_000)
        check_real(connection.request(path))
        check_real(connection.request(path, baggage("user=7")))


def test_a_marker_behind_two_hundred_other_entries_is_forwarded_first(port: int, path: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys, claims={"run": "peak"})
    headers = [*baggage(",".join(f"k{number}=v" for number in range(200)), entry(token)), TRACE]
    check_simulated(get(port, path, headers), token)
