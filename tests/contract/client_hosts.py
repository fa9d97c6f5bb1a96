"""The client suite on destinations: redirects, undeclared hosts, and OpenTelemetry below the client."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from contextvars import Context
from multiprocessing import get_context
from typing import Any

import pytest
from opentelemetry import baggage, context

import synthetic
from synthetic import ledger
from synthetic._model.verdict import REAL
from synthetic._work.state import VERDICT
from synthetic.errors import ExternalCallRefused
from tests.support.clients import OURS, THEIRS, Connect, brought_by_opentelemetry, claims_of, has_no_marker, token_of
from tests.support.keys import mint
from tests.support.recording_server import RecordingServer


def raise_in_worker(error: Exception) -> None:
    """Raised in a process of a pool, and handed back pickled."""
    raise error


class HostRules:
    """Inherited by ``ClientContract``, which has the fixtures."""

    library_error: type[Exception]

    # Redirects

    def test_a_redirect_between_services_carries_the_marker(self, connect: Connect, server: RecordingServer) -> None:
        server.redirect("/", server.url("/next"))
        with synthetic.simulated(run="rush-hour"):
            assert connect().get(server.url()) == 200
        first, second = server.requests
        assert second.path == "/next"
        assert token_of(first) == token_of(second)

    def test_a_redirect_to_a_third_party_is_refused_and_sends_nothing(
        self, connect: Connect, server: RecordingServer, other: RecordingServer
    ) -> None:
        """A third party that received the marker could replay it."""
        server.redirect("/", other.url("/steal", host=THEIRS))
        with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalCallRefused) as raised:
            connect().get(server.url())
        assert raised.value.host == THEIRS
        assert len(server.requests) == 1
        assert not other.requests

    def test_a_redirect_away_and_back_is_decided_at_each_hop(
        self, connect: Connect, keys: dict[str, Any], server: RecordingServer, other: RecordingServer
    ) -> None:
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
        server.redirect("/", other.url("/away", host=THEIRS))
        other.redirect("/away", server.url("/back"))
        with synthetic.simulated(run="rush-hour"):
            connect().get(server.url())
        assert [has_no_marker(request) for request in (*server.requests, *other.requests)] == [False, False, True]

    def test_a_redirect_away_and_back_keeps_a_verdict_from_opentelemetry(
        self, connect: Connect, keys: dict[str, Any], server: RecordingServer, other: RecordingServer
    ) -> None:
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
        server.redirect("/", server.url("/next"))
        server.redirect("/next", other.url("/away", host=THEIRS))
        other.redirect("/away", server.url("/back"))
        with brought_by_opentelemetry(mint(keys)):
            connect().get(server.url())
            connect().get(other.url("/away", host=THEIRS))
        assert [(request.path, has_no_marker(request)) for request in server.requests] == [
            ("/", False),
            ("/next", False),
            ("/back", False),
            ("/back", False),
        ]
        assert [has_no_marker(request) for request in other.requests] == [True, True]

    # Hosts that do not take part

    def test_a_call_to_an_undeclared_host_is_refused(self, connect: Connect, other: RecordingServer) -> None:
        """The error belongs to both libraries and names the settings that allow the call."""
        with (
            ledger.recorded() as outcomes,
            synthetic.simulated(run="rush-hour") as marker,
            pytest.raises(ExternalCallRefused) as raised,
        ):
            connect().get(other.url(host=THEIRS))
        error = raised.value
        assert isinstance(error, self.library_error)
        assert (error.effect, error.marker, error.host) == ("external-call", marker, THEIRS)
        assert "internal_hosts" in str(error)
        assert "external-call" in str(error)
        assert [(o.effect, o.action, o.target, o.service) for o in outcomes] == [
            ("external-call", "refuse", THEIRS, "caller")
        ]
        assert not other.requests

    @pytest.mark.parametrize("action", ["skip", "refuse", "substitute", "divert"])
    def test_only_allow_lets_simulated_work_call_an_undeclared_host(
        self, connect: Connect, keys: dict[str, Any], other: RecordingServer, action: str
    ) -> None:
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": action})
        with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalCallRefused):
            connect().get(other.url(host=THEIRS))
        assert not other.requests

    def test_an_allowed_external_call_carries_no_marker(
        self, connect: Connect, keys: dict[str, Any], other: RecordingServer
    ) -> None:
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
        with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
            client = connect({"baggage": f"a=1,{synthetic.headers()['baggage']}"})
            assert client.get(other.url(host=THEIRS)) == 200
            assert synthetic.is_synthetic()
            assert baggage.get_baggage("synthetic-traffic") is not None
        assert other.only.values("baggage") == (["a=1"] if self.keeps_foreign else [])
        assert [(o.effect, o.action) for o in outcomes] == [("external-call", "allow")]

    def test_real_work_calls_any_host(self, connect: Connect, other: RecordingServer) -> None:
        with ledger.recorded() as outcomes:
            with synthetic.real():
                assert connect().get(other.url(host=THEIRS)) == 200
            assert connect().get(other.url(host=THEIRS)) == 200
        assert not outcomes

    def test_a_refusal_can_be_pickled_back_from_a_process_pool(self, connect: Connect, other: RecordingServer) -> None:
        with synthetic.simulated(run="rush-hour", actor="rider-7"), pytest.raises(ExternalCallRefused) as raised:
            connect().get(other.url(host=THEIRS))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            returned = pool.submit(raise_in_worker, raised.value).exception()
        assert type(returned) is type(raised.value)
        assert str(returned) == str(raised.value)
        assert vars(returned) == vars(raised.value)
        assert isinstance(pickle.loads(pickle.dumps(returned)), self.library_error)

    def test_an_ipv6_host_that_takes_part_gets_the_marker(self, connect: Connect, keys: dict[str, Any]) -> None:
        synthetic.configure(keys=keys, internal_hosts=["::1"])
        try:
            server = RecordingServer("::1")
        except OSError as error:
            pytest.skip(f"this machine has no IPv6 loopback: {error}")
        with server, synthetic.simulated(run="rush-hour"):
            connect().get(server.url())
        assert token_of(server.only)

    # Beside OpenTelemetry's instrumentation

    @pytest.mark.usefixtures("opentelemetry")
    def test_the_marker_is_sent_once_when_opentelemetry_is_on(self, connect: Connect, server: RecordingServer) -> None:
        server.redirect("/", server.url("/next"))
        with synthetic.simulated(run="rush-hour"):
            connect().get(server.url())
        assert len(server.requests) == 2
        assert len({token_of(request) for request in server.requests}) == 1

    @pytest.mark.usefixtures("opentelemetry")
    def test_opentelemetry_adds_no_marker_for_an_undeclared_host(
        self, connect: Connect, keys: dict[str, Any], other: RecordingServer
    ) -> None:
        with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalCallRefused):
            connect().get(other.url(host=THEIRS))
        assert not other.requests
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
        with synthetic.simulated(run="rush-hour"):
            attached = context.attach(baggage.set_baggage("tenant", "7"))
            connect().get(other.url(host=THEIRS))
            context.detach(attached)
        assert has_no_marker(other.only)
        assert other.only.values("baggage") == ["tenant=7"]

    @pytest.mark.usefixtures("opentelemetry")
    def test_opentelemetry_adds_no_stale_marker_to_real_work(
        self, connect: Connect, server: RecordingServer, keys: dict[str, Any]
    ) -> None:
        def real_over_a_stale_context() -> None:
            VERDICT.set(REAL)  # admission set this; other instrumentation then restored the stale context
            context.attach(baggage.set_baggage("synthetic-traffic", mint(keys)))
            connect().get(server.url())

        Context().run(real_over_a_stale_context)
        assert has_no_marker(server.only)

    @pytest.mark.usefixtures("opentelemetry")
    def test_a_renewed_token_replaces_the_old_one_when_opentelemetry_is_on(
        self, connect: Connect, server: RecordingServer, keys: dict[str, Any]
    ) -> None:
        now = [1_800_000_000.0]
        synthetic.configure(keys=keys, internal_hosts=[OURS], lifetime=100, clock=lambda: now[0])
        with synthetic.simulated(run="long"):
            connect().get(server.url())
            now[0] += 60
            connect().get(server.url())
        first, second = map(token_of, server.requests)
        assert claims_of(second)["iat"] == claims_of(first)["iat"] + 60
