"""What holds for a framework whose requests OpenTelemetry instruments as well, on whichever side of the middleware."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.support.keys import entry, mint
from tests.support.markers import STRANGERS, baggage, forged, marked
from tests.support.wire import Connection, Response, get

Keys = dict[str, Any]
TRACE = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

each_action = pytest.mark.parametrize("action", ["echo", "async-echo", "stream"])


def check_real(seen: Any) -> None:
    assert (seen["simulated"], seen["explicit"], seen["headers"]) == (False, True, {})
    assert "synthetic-traffic" not in seen["otel"]
    assert "synthetic-traffic" not in (seen["injected"] or "")


def check_simulated(seen: Any, token: str) -> None:
    assert (seen["simulated"], seen["explicit"]) == (True, True)
    assert seen["headers"] == {"baggage": entry(token)}
    assert seen["otel"]["synthetic-traffic"] == token
    assert seen["injected"].split(",")[0] == entry(token)
    assert seen["injected"].count("synthetic-traffic") == 1


def seen_by(response: Response) -> list[Any]:
    assert response.status == 200
    return response.lines()


class BesideOpenTelemetry:
    """The module has the fixtures ``port`` and ``name``: of a server, and of each arrangement that it serves."""

    @pytest.fixture(autouse=True)
    def _nothing_is_logged(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        yield
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

    @each_action
    def test_a_good_marker_is_seen_and_forwarded(self, port: int, name: str, keys: Keys, action: str) -> None:
        synthetic.configure(keys=keys)
        token = mint(keys)
        for headers in (baggage(f"user=7,{entry(token)}"), baggage("user=7", entry(token))):
            for seen in seen_by(get(port, f"/{name}/{action}", [*headers, TRACE])):
                check_simulated(seen, token)

    @pytest.mark.parametrize("action", ["echo", "stream"])
    def test_a_forged_marker_is_refused(self, port: int, name: str, keys: Keys, action: str) -> None:
        synthetic.configure(keys=keys)
        assert get(port, f"/{name}/{action}", [*forged(keys), TRACE]).json()["reason"] == "bad-signature"

    @each_action
    @pytest.mark.parametrize("stranger", STRANGERS)
    def test_a_stripped_entry_does_not_come_back(
        self, port: int, name: str, keys: Keys, stranger: str, action: str
    ) -> None:
        synthetic.configure(keys=keys, on_unverified="strip")
        for seen in seen_by(get(port, f"/{name}/{action}", [*baggage(f"user=7,{stranger}"), TRACE])):
            check_real(seen)
            assert seen["baggage"] == ["user=7"]

    @each_action
    def test_alternating_real_and_marked_requests_each_have_their_own_verdict(
        self, port: int, name: str, keys: Keys, action: str
    ) -> None:
        synthetic.configure(keys=keys)
        with Connection(port) as connection:
            for number in range(6):
                headers = marked(keys) if number % 2 else baggage("user=7")
                for seen in seen_by(connection.request(f"/{name}/{action}", [*headers, TRACE])):
                    assert seen["simulated"] is bool(number % 2)
            for seen in seen_by(connection.request(f"/{name}/{action}")):
                check_real(seen)
