"""The WSGI middleware beside OpenTelemetry's, inside and outside of it, on a real server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider

import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware as Ours
from tests.support.entrances import wsgi_entrances
from tests.support.keys import entry, mint
from tests.support.markers import STRANGERS, baggage, forged
from tests.support.reporting_wsgi import application
from tests.support.servers import waitress_server, wsgiref_server
from tests.support.wire import Connection, get

Keys = dict[str, Any]
PROVIDER = TracerProvider()
TRACE = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def otel(app: Any) -> Any:
    return OpenTelemetryMiddleware(app, tracer_provider=PROVIDER)


def spanned(app: Any) -> Any:
    def within(environ: Any, start_response: Any) -> Any:
        with PROVIDER.get_tracer("outer").start_as_current_span("outer"):
            return list(app(environ, start_response))

    return within


ARRANGEMENTS = {
    "ours": Ours(application),
    "ours-otel": Ours(otel(application)),
    "otel-ours": otel(Ours(application)),
    "ours-otel-ours": Ours(otel(Ours(application))),
    "span-ours-otel": spanned(Ours(otel(application))),
    "ours-span-otel": Ours(spanned(otel(application))),
}


@pytest.fixture(scope="module", params=[wsgiref_server, waitress_server])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with request.param(wsgi_entrances(ARRANGEMENTS)) as port:
        yield port


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def check_real(seen: Any) -> None:
    assert (seen["simulated"], seen["explicit"], seen["headers"]) == (False, True, {})
    assert "synthetic-traffic" not in seen["otel"]
    assert "synthetic-traffic" not in (seen["injected"] or "")


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_a_good_marker_is_seen_and_forwarded(port: int, name: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys)
    for headers in (baggage(f"user=7,{entry(token)}"), baggage("user=7", entry(token))):
        for seen in get(port, f"/{name}/stream", [*headers, TRACE]).lines():
            assert (seen["simulated"], seen["explicit"]) == (True, True)
            assert seen["otel"]["synthetic-traffic"] == token
            assert seen["injected"].split(",")[0] == entry(token)


LIMIT = 8192
"""OpenTelemetry ignores a header with more bytes."""


@pytest.mark.parametrize("is_first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_only_our_entry_is_forwarded_when_the_header_is_too_long(
    port: int, name: str, keys: Keys, is_first: bool
) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys)
    room = LIMIT - len(entry(token)) - 1
    for size in (room + 1, 9000, 20_000):
        others = f"user=7,big={'x' * (size - len('user=7,big='))}"
        header = f"{entry(token)},{others}" if is_first else f"{others},{entry(token)}"
        for _ in range(2):  # the token is seen for the first time once
            seen = get(port, f"/{name}/echo", baggage(header)).json()
            assert (seen["simulated"], seen["explicit"], seen["baggage"]) == (True, True, [entry(token)])
            assert seen["otel"]["synthetic-traffic"] == token
            assert seen["injected"].startswith(entry(token))


@pytest.mark.parametrize("is_first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_foreign_entries_that_fit_into_the_header_are_forwarded_byte_for_byte(
    port: int, name: str, keys: Keys, is_first: bool
) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys)
    room = LIMIT - len(entry(token)) - 1
    start = "user=7; p ,a=%2C%20,,half=" + "x" * 4000
    others = f"{start},rest={'y' * (room - len(start) - len(',rest='))}"
    header = f"{entry(token)},{others}" if is_first else f"{others},{entry(token)}"
    for _ in range(2):
        seen = get(port, f"/{name}/echo", baggage(header)).json()
        assert (seen["simulated"], seen["baggage"]) == (True, [f"{entry(token)},{others}"])
        assert seen["otel"]["synthetic-traffic"] == token


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_over_long_entries_of_a_real_request_stay_unchanged(port: int, name: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    others = f"user=7,big={'x' * 9000}"
    seen = get(port, f"/{name}/echo", baggage(others)).json()
    check_real(seen)
    assert seen["baggage"] == [others]


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_a_forged_marker_is_refused(port: int, name: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    assert get(port, f"/{name}/echo", [*forged(keys), TRACE]).json()["reason"] == "bad-signature"


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_a_stripped_entry_does_not_come_back(port: int, name: str, keys: Keys, stranger: str) -> None:
    synthetic.configure(keys=keys, on_unverified="strip")
    seen = get(port, f"/{name}/echo", [*baggage(f"user=7,{stranger}"), TRACE]).json()
    check_real(seen)
    assert seen["baggage"] == ["user=7"]
    if "otel" in name and "span" not in name:  # with a span around it, OpenTelemetry reads no headers
        assert seen["otel"] == {"user": "7"}


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_alternating_real_and_marked_requests_each_get_their_own_verdict(port: int, name: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    with Connection(port) as connection:
        for number in range(6):
            headers = baggage(entry(mint(keys))) if number % 2 else []
            assert connection.request(f"/{name}/echo", [*headers, TRACE]).json()["simulated"] is bool(number % 2)
        check_real(connection.request(f"/{name}/echo").json())
