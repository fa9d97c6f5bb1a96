"""What every gRPC client must do. A subclass gives ``connect``; the tests come by inheritance."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextvars import Context
from typing import Any, Protocol

import grpc
import pytest
from opentelemetry import baggage, context

import synthetic
from synthetic import ledger
from synthetic._model.verdict import REAL
from synthetic._work.state import VERDICT
from synthetic.errors import ExternalCallRefused
from tests.products.grpc import KINDS
from tests.products.grpc.servers import Recording
from tests.support.clients import OURS, THEIRS, break_part, brought_by_opentelemetry, claims_of, has_no_marker, token_of
from tests.support.keys import mint, shared_key

Keys = dict[str, Any]


class Client(Protocol):
    """One channel of the library, with the call made to its end."""

    def call(self, kind: str = "unary_unary", metadata: Any = None, method: str = "/rides.Rides/book") -> list[bytes]:
        """Make a call of that kind; return its responses."""
        ...


class GrpcClientContract:
    """The rules of docs/protocol.md, "Inside and onward", for calls of every kind."""

    library_error: type[Exception] = grpc.RpcError
    keeps_foreign = True
    """False where OpenTelemetry is always on: it replaces a caller's baggage by what its context holds, if anything."""

    keeps_both = True
    """False where OpenTelemetry is always on: its synchronous interceptor keeps one entry of a name."""

    @pytest.fixture
    def connect(self) -> Any:
        """Makes channels: ``connect(target)``."""
        raise NotImplementedError

    @pytest.fixture
    def opentelemetry(self) -> Iterator[None]:
        """OpenTelemetry's instrumentation of the library, switched on."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _takes_part(self, keys: Keys, configuration: None) -> None:
        synthetic.configure(keys=keys, internal_hosts=[OURS], service="caller")

    @pytest.fixture
    def server(self) -> Iterator[Recording]:
        with Recording() as server:
            yield server

    # If the hook fails

    def test_real_calls_are_sent_and_simulated_ones_raise_when_our_hook_fails(
        self, connect: Any, server: Recording, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        channel = connect(server.target())
        break_part("synthetic_grpc._out.depart", monkeypatch)
        for kind in KINDS:
            assert channel.call(kind)
            with synthetic.real():
                assert channel.call(kind)
            with synthetic.simulated(run="rush-hour"), pytest.raises(RuntimeError, match="broken"):
                channel.call(kind)
        assert "real call sent unchanged" in caplog.text
        assert [request.values("baggage") for request in server.requests] == [[]] * 2 * len(KINDS)

    # What goes along

    @pytest.mark.parametrize("kind", KINDS)
    def test_undecided_work_sends_no_marker(self, connect: Any, server: Recording, kind: str) -> None:
        assert connect(server.target()).call(kind)
        assert not server.only.values("baggage")

    @pytest.mark.parametrize("kind", KINDS)
    def test_real_work_sends_no_marker(self, connect: Any, server: Recording, kind: str) -> None:
        with synthetic.real():
            assert connect(server.target()).call(kind)
        assert not server.only.values("baggage")

    @pytest.mark.parametrize("kind", KINDS)
    def test_simulated_work_sends_its_marker_once(self, connect: Any, server: Recording, kind: str) -> None:
        with synthetic.simulated(run="rush-hour", kind="load", actor="rider-7", scenario="book"):
            assert connect(server.target()).call(kind)
        claims = claims_of(token_of(server.only))
        assert (claims["run"], claims["kind"], claims["sub"], claims["scenario"]) == (
            "rush-hour",
            "load",
            "rider-7",
            "book",
        )

    def test_calls_inside_real_carry_no_marker(self, connect: Any, server: Recording) -> None:
        client = connect(server.target())
        with synthetic.simulated(run="rush-hour"):
            with synthetic.real():
                client.call()
            client.call()
        heartbeat, work = server.requests
        assert not heartbeat.values("baggage")
        assert token_of(work)

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_callers_own_metadata_are_kept(self, connect: Any, server: Recording, kind: str) -> None:
        metadata = (("x-own", "1"), ("baggage", "vendor=a%20b;p=1, weird == ,,tail"), ("key-bin", b"\0\xff"))
        with synthetic.simulated(run="rush-hour"):
            connect(server.target()).call(kind, metadata)
        (line,) = server.only.values("baggage")
        ours = f"synthetic-traffic={token_of(server.only)}"
        assert line == (f"{ours},{metadata[1][1]}" if self.keeps_foreign else ours)
        assert server.only.values("x-own") == ["1"]
        assert dict(server.only.headers)["key-bin"] == b"\0\xff"  # type: ignore[comparison-overlap]

    def test_the_callers_metadata_object_is_not_changed_and_can_be_used_again(
        self, connect: Any, server: Recording
    ) -> None:
        metadata = [("x-own", "1"), ("baggage", "a=1"), ("baggage", "b=2")]
        client = connect(server.target())
        for run in ("first", "second"):
            with synthetic.simulated(run=run):
                client.call(metadata=metadata)
        with synthetic.real():
            client.call(metadata=metadata)
        assert metadata == [("x-own", "1"), ("baggage", "a=1"), ("baggage", "b=2")]
        first, second, real = server.requests
        assert [claims_of(token_of(request))["run"] for request in (first, second)] == ["first", "second"]
        assert has_no_marker(real)

    def test_real_work_leaves_the_callers_own_baggage_alone(self, connect: Any, server: Recording) -> None:
        with synthetic.real():
            connect(server.target()).call(metadata=(("baggage", "a=1, b=2"),))
        assert server.only.values("baggage") == ["a=1, b=2"]

    def test_two_entries_of_the_callers_own_are_not_joined(self, connect: Any, server: Recording) -> None:
        connect(server.target()).call(metadata=(("baggage", "a=1"), ("baggage", "b=2")))
        assert server.only.values("baggage") == (["a=1", "b=2"] if self.keeps_both else ["b=2"])

    def test_a_stale_marker_in_the_callers_metadata_is_not_sent_with_real_work(
        self, connect: Any, server: Recording
    ) -> None:
        with synthetic.simulated(run="yesterday"):
            stale = (("baggage", f"a=1,{synthetic.headers()['baggage']}"),)
        with synthetic.real():
            connect(server.target()).call(metadata=stale)
        assert server.only.values("baggage") == ["a=1"]

    def test_a_stale_marker_in_the_callers_metadata_is_replaced_by_the_current_one(
        self, connect: Any, server: Recording
    ) -> None:
        with synthetic.simulated(run="yesterday"):
            stale = (("baggage", "a=1"), ("baggage", synthetic.headers()["baggage"]))
        with synthetic.simulated(run="today"):
            connect(server.target()).call(metadata=stale)
        assert claims_of(token_of(server.only))["run"] == "today"
        assert server.only.values("baggage")[0].endswith(",a=1") is self.keeps_foreign

    def test_a_marker_found_only_in_the_opentelemetry_context_is_sent_unchanged(
        self, connect: Any, server: Recording, keys: Keys
    ) -> None:
        token = mint(keys)
        with brought_by_opentelemetry(token):
            connect(server.target()).call()
        assert token_of(server.only) == token

    @pytest.mark.parametrize("kind", KINDS)
    def test_unverified_work_raises_and_sends_nothing(self, connect: Any, server: Recording, kind: str) -> None:
        forged = mint(shared_key())
        with brought_by_opentelemetry(forged), pytest.raises(synthetic.UnverifiedMarker) as raised:
            connect(server.target()).call(kind)
        assert raised.value.reason == "bad-signature"
        assert not server.requests

    def test_a_token_is_renewed_at_half_its_lifetime(self, connect: Any, server: Recording, keys: Keys) -> None:
        now = [1_800_000_000.0]
        synthetic.configure(keys=keys, internal_hosts=[OURS], lifetime=100, clock=lambda: now[0])
        client = connect(server.target())
        with synthetic.simulated(run="long"):
            for moment in (0, 49, 51, 99):
                now[0] = 1_800_000_000.0 + moment
                client.call()
        first, second, third, fourth = map(token_of, server.requests)
        assert first == second
        assert third == fourth != first

    # Hosts that do not take part

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_host_that_is_not_listed_is_not_called(self, connect: Any, server: Recording, kind: str) -> None:
        with (
            ledger.recorded() as outcomes,
            synthetic.simulated(run="rush-hour") as marker,
            pytest.raises(ExternalCallRefused) as raised,
        ):
            connect(server.target(THEIRS)).call(kind)
        error = raised.value
        assert isinstance(error, self.library_error)
        assert (error.effect, error.marker, error.host) == ("external-call", marker, THEIRS)
        assert "internal_hosts" in str(error)
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]
        assert error.details() == str(error)  # type: ignore[attr-defined]
        assert [(o.effect, o.action, o.target, o.service) for o in outcomes] == [
            ("external-call", "refuse", THEIRS, "caller")
        ]
        assert not server.requests

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_allowed_external_call_carries_no_marker(
        self, connect: Any, keys: Keys, server: Recording, kind: str
    ) -> None:
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
        with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
            metadata = (("baggage", f"a=1,{synthetic.headers()['baggage']}"),)
            assert connect(server.target(THEIRS)).call(kind, metadata)
            assert synthetic.is_synthetic()
            assert baggage.get_baggage("synthetic-traffic") is not None
        assert has_no_marker(server.only)
        assert server.only.values("baggage") == (["a=1"] if self.keeps_foreign else server.only.values("baggage"))
        assert [(o.effect, o.action) for o in outcomes] == [("external-call", "allow")]

    def test_real_work_calls_any_host(self, connect: Any, server: Recording) -> None:
        with ledger.recorded() as outcomes:
            with synthetic.real():
                assert connect(server.target(THEIRS)).call()
            assert connect(server.target(THEIRS)).call()
        assert not outcomes

    def test_every_one_of_several_addresses_must_take_part(self, connect: Any, keys: Keys, server: Recording) -> None:
        both = f"ipv4:127.0.0.1:{server.port},127.0.0.2:{server.port}"
        with synthetic.simulated(run="rush-hour"):
            with pytest.raises(ExternalCallRefused) as raised:
                connect(both).call()
            assert raised.value.host == "127.0.0.2"
            synthetic.configure(keys=keys, internal_hosts=["127.0.0.0/8"])
            connect(both).call()
        assert token_of(server.only)

    def test_a_refusal_survives_pickling(self, connect: Any, server: Recording) -> None:
        with synthetic.simulated(run="rush-hour", actor="rider-7"), pytest.raises(ExternalCallRefused) as raised:
            connect(server.target(THEIRS)).call()
        returned = pickle.loads(pickle.dumps(raised.value))
        assert type(returned) is type(raised.value)
        assert str(returned) == str(raised.value)
        assert vars(returned) == vars(raised.value)
        assert isinstance(returned, self.library_error)

    # Beside OpenTelemetry's instrumentation

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.usefixtures("opentelemetry")
    def test_the_marker_is_sent_once_when_opentelemetry_is_on(self, connect: Any, server: Recording, kind: str) -> None:
        with synthetic.simulated(run="rush-hour"):
            assert connect(server.target()).call(kind)
        assert token_of(server.only)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.usefixtures("opentelemetry")
    def test_opentelemetry_adds_no_marker_for_an_undeclared_host(
        self, connect: Any, keys: Keys, server: Recording, kind: str
    ) -> None:
        with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalCallRefused):
            connect(server.target(THEIRS)).call(kind)
        assert not server.requests
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
        with synthetic.simulated(run="rush-hour"):
            attached = context.attach(baggage.set_baggage("tenant", "7"))
            assert connect(server.target(THEIRS)).call(kind)
            context.detach(attached)
        assert has_no_marker(server.only)
        assert server.only.values("baggage") == ["tenant=7"]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.usefixtures("opentelemetry")
    def test_opentelemetry_adds_no_stale_marker_to_real_work(
        self, connect: Any, server: Recording, keys: Keys, kind: str
    ) -> None:
        def real_over_a_stale_context() -> None:
            VERDICT.set(REAL)  # what admission has said, while other instrumentation brought the context back
            context.attach(baggage.set_baggage("synthetic-traffic", mint(keys)))
            assert connect(server.target()).call(kind)

        Context().run(real_over_a_stale_context)
        assert has_no_marker(server.only)
