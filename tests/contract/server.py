"""What every server integration must do. A subclass provides ``server``, which runs the reporting application."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.handles import Server
from tests.support.keys import entry, mint
from tests.support.markers import DAY, REFUSED, STRANGERS, baggage, expired, forged, marked
from tests.support.reporting import APPLICATION_HEADERS
from tests.support.servers import wait_until
from tests.support.wire import Connection, Response, request_bytes

Keys = dict[str, Any]


class ServerContract:
    """Sends real requests to a real server and checks what the application saw."""

    header_joint = ","
    """The separator with which the server joins headers of the same name."""

    @pytest.fixture
    def server(self) -> Server:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def nothing_is_logged(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        yield
        complaints = [r for r in caplog.records if r.levelno >= logging.ERROR and "uvicorn" not in r.name]
        assert not complaints

    def call(self, server: Server, path: str, headers: Any = (), **options: Any) -> Response:
        with Connection(server.port) as connection:
            return connection.request(path, headers, **options)

    def check_simulated(self, seen: Any) -> None:
        assert (seen["simulated"], seen["explicit"]) == (True, True)

    def check_real(self, seen: Any) -> None:
        assert (seen["simulated"], seen["explicit"], seen["marker"], seen["headers"]) == (False, True, None, {})
        assert "synthetic-traffic" not in seen["otel"]

    # Real

    def test_a_request_without_a_marker_is_explicitly_real(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        response = self.call(server, "/plain/echo")
        self.check_real(response.json())
        assert response.json()["baggage"] == []

    def test_without_keys_unmarked_requests_are_real(self, server: Server) -> None:
        server.configure()
        self.check_real(self.call(server, "/plain/echo").json())

    def test_foreign_entries_of_a_real_request_stay_byte_for_byte(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        foreign = "user=7; prop , a=%2C%20+\\x,b=caf\xc3\xa9\xff,,c"
        assert self.call(server, "/plain/echo", baggage(foreign)).json()["baggage"] == [foreign]

    @pytest.mark.parametrize("agent", ["okhttp/4.12", "python-requests/2.31", "alwayson", "Googlebot"])
    def test_no_user_agent_makes_a_request_simulated(self, server: Server, keys: Keys, agent: str) -> None:
        server.configure(keys=keys)
        self.check_real(self.call(server, "/plain/echo", [("user-agent", agent), ("x-load-test", "true")]).json())

    # Simulated

    def test_a_good_marker_makes_the_request_simulated(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        token = mint(keys, claims={"run": "peak", "kind": "replay", "sub": "rider-7", "scenario": "book"})
        seen = self.call(server, "/plain/echo", baggage(entry(token))).json()
        self.check_simulated(seen)
        assert seen["marker"] == {"run": "peak", "kind": "replay", "actor": "rider-7", "scenario": "book"}
        assert seen["headers"] == {"baggage": entry(token)}
        assert seen["otel"]["synthetic-traffic"] == token
        assert seen["injected"].split(",")[0] == entry(token)

    @pytest.mark.parametrize(
        "pattern", ["synthetic-traffic=TOKEN;p=1;q", "\t synthetic-traffic \t= TOKEN ", "synthetic-traffic=TOKEN ;p"]
    )
    def test_properties_and_white_space_around_a_marker_do_not_matter(
        self, server: Server, keys: Keys, pattern: str
    ) -> None:
        server.configure(keys=keys)
        token = mint(keys)
        seen = self.call(server, "/plain/echo", baggage(pattern.replace("TOKEN", token))).json()
        self.check_simulated(seen)
        assert seen["baggage"] == [entry(token)]

    def test_the_same_marker_in_two_headers_counts_as_one(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        token = mint(keys)
        seen = self.call(server, "/plain/echo", baggage(entry(token), entry(token))).json()
        self.check_simulated(seen)
        assert ",".join(seen["baggage"]).count(token) == 1

    def test_foreign_entries_stay_byte_for_byte_behind_the_marker(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        token = mint(keys)
        first, second = " user=7; p ,a=%2C%20+\\x", "b=caf\xc3\xa9\xff,,c"
        seen = self.call(server, "/plain/echo", baggage(f"{first},{entry(token)}", second)).json()
        self.check_simulated(seen)
        joined = self.header_joint.join(seen["baggage"])
        assert joined == f"{entry(token)},{first.strip()}{self.header_joint}{second}"

    def test_a_marker_is_found_behind_8_kib_of_other_entries(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        token = mint(keys)
        others = ",".join(f"k{number}=v" for number in range(250))
        seen = self.call(server, "/plain/echo", baggage(f"{others},big={'x' * 5000},{entry(token)}")).json()
        self.check_simulated(seen)
        assert ",".join(seen["baggage"]) == f"{entry(token)},{others},big={'x' * 5000}"

    def test_opentelemetry_reads_a_marker_from_over_long_headers(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        token = mint(keys)
        for headers in (
            baggage(f"{entry(token)},big={'x' * 5000}", f"big2={'y' * 5000}"),
            baggage(f"big={'x' * 5000}", f"big2={'y' * 5000},{entry(token)}"),
        ):
            for _ in range(2):
                seen = self.call(server, "/plain/echo", headers).json()
                self.check_simulated(seen)
                assert seen["baggage"][0].split(",")[0] == entry(token)
                assert len(seen["baggage"][0]) <= 8192
                assert seen["otel"]["synthetic-traffic"] == token

    def test_no_cache_may_keep_a_simulated_response(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        response = self.call(server, "/plain/echo", marked(keys))
        assert response.values("cache-control") == ["private, no-store"]
        for name, _ in APPLICATION_HEADERS:
            assert name in ("cache-control", "x-own") or not response.values(name.lower())
        assert response.values("x-own") == ["kept"]

    def test_a_simulated_response_is_acknowledged_and_a_real_one_is_not(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        assert self.call(server, "/plain/echo", marked(keys)).values("synthetic-traffic") == ["simulated"]
        assert self.call(server, "/plain/echo").values("synthetic-traffic") == []

    def test_a_real_response_keeps_its_own_caching(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        response = self.call(server, "/plain/echo")
        assert response.values("cache-control") == ["public, max-age=60"]
        for name, value in APPLICATION_HEADERS:
            assert response.values(name.lower()) == [value]

    # Refused and later

    def check_not_admitted(self, server: Server, headers: Any, status: int, reason: str, path: str = "plain") -> None:
        id_ = uuid4().hex
        response = self.call(server, f"/{path}/echo", [*headers, ("x-id", id_)])
        assert (response.status, response.json()["reason"]) == (status, reason)
        assert response.json()["status"] == status
        assert response.json()["type"] == "about:blank"
        assert response.values("content-type") == ["application/problem+json"]
        assert response.values("cache-control") == ["no-store"]
        assert response.values("synthetic-traffic") == ["later" if status == 429 else "refused"]
        assert bool(response.values("retry-after")) == (status == 429)
        assert "called" not in server.journal(id_)

    @pytest.mark.parametrize("kind", REFUSED)
    def test_a_bad_marker_is_refused_and_never_reaches_the_application(
        self, server: Server, keys: Keys, kind: str
    ) -> None:
        server.configure(keys=keys)
        headers, reason = REFUSED[kind]
        self.check_not_admitted(server, headers(keys), 403, reason)
        self.check_real(self.call(server, "/plain/echo").json())

    def test_without_keys_every_marker_is_refused(self, server: Server, keys: Keys) -> None:
        server.configure()
        self.check_not_admitted(server, marked(keys), 403, "no-keys")

    def test_a_halted_run_is_refused_and_other_runs_are_admitted(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys, halt=["stopped"])
        self.check_not_admitted(server, marked(keys, run="stopped"), 403, "halted")
        self.check_simulated(self.call(server, "/plain/echo", marked(keys, run="going")).json())
        server.configure(keys=keys, halt="all")
        self.check_not_admitted(server, marked(keys, run="going"), 403, "halted")

    def test_a_halt_file_takes_effect_without_a_restart(self, server: Server, keys: Keys, tmp_path: Path) -> None:
        file = tmp_path / "halt"
        server.configure(keys=keys, halt_file=str(file))
        headers = marked(keys, run="stopped")
        assert self.call(server, "/plain/echo", headers).status == 200
        file.write_text("stopped\n")
        wait_until(lambda: self.call(server, "/plain/echo", headers).status == 403)
        self.check_not_admitted(server, headers, 403, "halted")

    @pytest.mark.parametrize(("setting", "reason"), [({"shed": True}, "shed"), ({"ready": False}, "not-ready")])
    def test_a_good_marker_is_deferred_while_the_service_sheds_or_is_not_ready(
        self, server: Server, keys: Keys, setting: Any, reason: str
    ) -> None:
        server.configure(keys=keys, **setting)
        self.check_not_admitted(server, marked(keys), 429, reason)
        self.check_not_admitted(server, forged(keys), 403, "bad-signature")
        self.check_real(self.call(server, "/plain/echo").json())

    @pytest.mark.parametrize("kind", ["forged", "bare key", "shed"])
    def test_a_refused_head_request_gets_headers_and_no_body(self, server: Server, keys: Keys, kind: str) -> None:
        server.configure(keys=keys, **({"shed": True} if kind == "shed" else {}))
        headers = marked(keys) if kind == "shed" else REFUSED[kind][0](keys)
        with Connection(server.port) as connection:
            connection.send(request_bytes("/plain/echo", [*headers, ("connection", "close")], method="HEAD"))
            status, answered = connection.head()
            assert connection.rest() == b""
        assert status == (429 if kind == "shed" else 403)
        assert ("content-type", "application/problem+json") in answered
        assert ("cache-control", "no-store") in answered

    # Settings of a single entrance

    def test_an_internal_service_admits_a_marker_for_the_retention_time(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        self.check_simulated(self.call(server, "/internal/echo", marked(keys, **expired(6 * DAY))).json())
        self.check_not_admitted(server, marked(keys, **expired(8 * DAY)), 403, "expired", "internal")
        self.check_not_admitted(server, forged(keys), 403, "bad-signature", "internal")
        self.check_not_admitted(server, marked(keys, **expired(60)), 403, "expired", "plain")

    def test_unmarked_requests_are_refused_when_markers_are_required(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        self.check_not_admitted(server, baggage("user=7"), 403, "missing", "strict")
        self.check_not_admitted(server, (), 403, "missing", "strict")
        self.check_simulated(self.call(server, "/strict/echo", marked(keys)).json())

    @pytest.mark.parametrize("stranger", STRANGERS)
    def test_a_stripping_edge_removes_entries_that_are_not_our_tokens(
        self, server: Server, keys: Keys, stranger: str
    ) -> None:
        server.configure(keys=keys, on_unverified="strip")
        seen = self.call(server, "/plain/echo", baggage(f"user=7,{stranger},b=2")).json()
        self.check_real(seen)
        assert seen["baggage"] == ["user=7,b=2"]
        assert self.call(server, "/plain/echo", baggage(stranger)).json()["baggage"] == []

    def test_a_stripping_edge_still_refuses_a_forged_token(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys, on_unverified="strip")
        self.check_not_admitted(server, forged(keys), 403, "bad-signature")
        self.check_simulated(self.call(server, "/plain/echo", marked(keys)).json())
