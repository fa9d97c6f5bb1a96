"""What every client integration must do. A subclass provides the client and inherits the tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.contract.client_hosts import HostRules
from tests.support.clients import (
    OURS,
    Connect,
    break_part,
    brought_by_opentelemetry,
    claims_of,
    has_no_marker,
    token_of,
)
from tests.support.keys import entry, mint, shared_key
from tests.support.recording_server import RecordingServer
from tests.support.servers import uvicorn_server


class ClientContract(HostRules):
    """The rules of docs/protocol.md, "Inside and onward", for one client library."""

    library_error: type[Exception]
    """The base of the library's own errors."""

    our_part: str
    """The function of the core that the integration calls, in the module that imports it: ``"module.function"``."""

    keeps_foreign = True
    """False if OpenTelemetry is always on: it replaces a caller's header with the baggage of its context, if any."""

    @pytest.fixture
    def connect(self) -> Iterator[Connect]:
        """Makes clients with default headers: ``connect()``, ``connect({"baggage": ...})``."""
        raise NotImplementedError

    @pytest.fixture
    def opentelemetry(self) -> Iterator[None]:
        """Switches on OpenTelemetry's instrumentation of the library and of the libraries below it."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "*")

    @pytest.fixture
    def keys(self) -> dict[str, Any]:
        return shared_key()

    @pytest.fixture(autouse=True)
    def _takes_part(self, keys: dict[str, Any], configuration: None) -> None:
        synthetic.configure(keys=keys, internal_hosts=[OURS], service="caller")

    @pytest.fixture
    def server(self) -> Iterator[RecordingServer]:
        with RecordingServer() as server:
            yield server

    @pytest.fixture
    def other(self) -> Iterator[RecordingServer]:
        """The undeclared host: ``other.url(host=THEIRS)``."""
        with RecordingServer() as server:
            yield server

    # When our hook fails

    def test_real_calls_are_sent_and_simulated_ones_raise_when_our_hook_fails(
        self,
        connect: Connect,
        server: RecordingServer,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        call = connect().get
        break_part(self.our_part, monkeypatch)
        assert call(server.url()) == 200
        assert "real call sent unchanged" in caplog.text
        with synthetic.real():
            assert call(server.url()) == 200
        with synthetic.simulated(run="rush-hour"), pytest.raises(RuntimeError, match="broken"):
            connect().get(server.url())
        assert [request.values("baggage") for request in server.requests] == [[], []]

    # What is sent

    def test_undecided_work_sends_no_marker(self, connect: Connect, server: RecordingServer) -> None:
        assert connect().get(server.url()) == 200
        assert not server.only.values("baggage")

    def test_real_work_sends_no_marker(self, connect: Connect, server: RecordingServer) -> None:
        with synthetic.real():
            connect().get(server.url())
        assert not server.only.values("baggage")

    def test_simulated_work_sends_its_marker_once(self, connect: Connect, server: RecordingServer) -> None:
        with synthetic.simulated(run="rush-hour", kind="load", actor="rider-7", scenario="book"):
            connect().get(server.url())
        claims = claims_of(token_of(server.only))
        assert (claims["run"], claims["kind"], claims["sub"], claims["scenario"]) == (
            "rush-hour",
            "load",
            "rider-7",
            "book",
        )

    def test_calls_inside_real_carry_no_marker(self, connect: Connect, server: RecordingServer) -> None:
        client = connect()
        with synthetic.simulated(run="rush-hour"):
            with synthetic.real():
                client.get(server.url("/heartbeat"))
            client.get(server.url("/work"))
        heartbeat, work = server.requests
        assert not heartbeat.values("baggage")
        assert token_of(work)

    def test_the_callers_own_baggage_is_kept_byte_for_byte(self, connect: Connect, server: RecordingServer) -> None:
        foreign = "vendor=a%20b;p=1, weird == ,caf\u00e9=\u00fc,,tail"
        with synthetic.simulated(run="rush-hour"):
            connect().get(server.url(), {"baggage": foreign.encode("latin-1")})
        (line,) = server.only.values("baggage")
        ours = entry(token_of(server.only))
        assert line == (f"{ours},{foreign}" if self.keeps_foreign else ours)

    def test_real_work_leaves_the_callers_own_baggage_alone(self, connect: Connect, server: RecordingServer) -> None:
        with synthetic.real():
            connect({"baggage": "a=1, b=2"}).get(server.url())
        assert server.only.values("baggage") == ["a=1, b=2"]

    def test_a_stale_marker_in_default_headers_is_not_sent_with_real_work(
        self, connect: Connect, server: RecordingServer
    ) -> None:
        with synthetic.simulated(run="yesterday"):
            client = connect({"baggage": f"a=1,{synthetic.headers()['baggage']}"})
        with synthetic.real():
            client.get(server.url())
        assert server.only.values("baggage") == ["a=1"]

    def test_the_current_marker_replaces_a_stale_one_in_default_headers(
        self, connect: Connect, server: RecordingServer
    ) -> None:
        with synthetic.simulated(run="yesterday"):
            client = connect({"Baggage": f"a=1,{synthetic.headers()['baggage']}"})
        with synthetic.simulated(run="today"):
            client.get(server.url())
        assert claims_of(token_of(server.only))["run"] == "today"
        assert server.only.values("baggage")[0].endswith(",a=1") is self.keeps_foreign

    def test_a_reused_client_sends_the_marker_of_the_current_work(
        self, connect: Connect, server: RecordingServer
    ) -> None:
        client = connect()
        for run in ("first", "second"):
            with synthetic.simulated(run=run):
                client.get(server.url("/simulated"))
            with synthetic.real():
                client.get(server.url("/real"))
            client.get(server.url("/unset"))
        simulated = [request for request in server.requests if request.path == "/simulated"]
        assert [claims_of(token_of(request))["run"] for request in simulated] == ["first", "second"]
        rest = [request for request in server.requests if request.path != "/simulated"]
        assert len(rest) == 4
        assert all(has_no_marker(request) for request in rest)

    def test_a_marker_found_only_in_the_opentelemetry_context_is_sent_unchanged(
        self, connect: Connect, server: RecordingServer, keys: dict[str, Any]
    ) -> None:
        token = mint(keys)
        with brought_by_opentelemetry(token):
            connect().get(server.url())
        assert token_of(server.only) == token

    def test_a_marker_that_does_not_verify_raises_and_nothing_is_sent(
        self, connect: Connect, server: RecordingServer
    ) -> None:
        forged = mint(shared_key())
        with brought_by_opentelemetry(forged), pytest.raises(synthetic.UnverifiedMarker) as raised:
            connect().get(server.url())
        assert raised.value.reason == "bad-signature"
        assert forged not in str(raised.value)
        assert not server.requests

    # The token on its way

    def test_a_received_token_is_forwarded_unchanged_even_after_it_expires(
        self, connect: Connect, server: RecordingServer, keys: dict[str, Any]
    ) -> None:
        now = [1_800_000_000.0]
        synthetic.configure(keys=keys, internal_hosts=[OURS], clock=lambda: now[0])
        token = mint(keys, claims={"iat": int(now[0]), "exp": int(now[0]) + 60})
        client = connect()

        def relay(request: Request) -> PlainTextResponse:
            now[0] += 3600
            client.get(server.url())
            return PlainTextResponse("relayed")

        app = SyntheticTrafficMiddleware(Starlette(routes=[Route("/", relay)]))
        with uvicorn_server(app) as port:
            connect().get(f"http://{OURS}:{port}/", {"baggage": f"a=1,{entry(token)}"})
        assert token_of(server.only) == token

    def test_a_token_is_renewed_at_half_its_lifetime(
        self, connect: Connect, server: RecordingServer, keys: dict[str, Any]
    ) -> None:
        now = [1_800_000_000.0]
        synthetic.configure(keys=keys, internal_hosts=[OURS], lifetime=100, clock=lambda: now[0])
        client = connect()
        with synthetic.simulated(run="long"):
            for moment in (0, 49, 51, 99):
                now[0] = 1_800_000_000.0 + moment
                client.get(server.url())
        first, second, third, fourth = map(token_of, server.requests)
        assert first == second
        assert third == fourth != first
        assert claims_of(third)["exp"] == 1_800_000_000 + 51 + 100

    def test_threads_with_a_copied_context_send_the_marker(self, connect: Connect, server: RecordingServer) -> None:
        client = connect()
        with synthetic.simulated(run="rush-hour"):
            threads = [
                threading.Thread(target=copy_context().run, args=(client.get, server.url(f"/{n}"))) for n in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(server.requests) == 4
        assert len({token_of(request) for request in server.requests}) == 1
