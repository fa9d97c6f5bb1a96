"""The rule for calls to other services, whatever the client: ``depart``."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import Context
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate

import synthetic
from synthetic import ledger
from synthetic._egress import departure as egress
from synthetic._egress.departure import Departure, Within, directly
from synthetic._wire import baggage as baggage_header
from synthetic.errors import ConfigurationError, ExternalCallRefused, UnverifiedMarker
from tests.support.keys import eddsa_pair, entry, mint, shared_key

INSIDE, OUTSIDE = "payments", "api.example.com"


def depart(host: str, header: str | None) -> Departure:
    return egress.depart(f"http://rider@{host}:8080/path", header)


def in_context_of(departure: Departure) -> Any:
    """Attach the context in which an integration makes the call."""
    return attached(departure.within)


@contextmanager
def attached(within: Within) -> Iterator[None]:
    token = context.attach(within(context.get_current))
    try:
        yield
    finally:
        context.detach(token)


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=[INSIDE], environment="default")


@contextmanager
def opentelemetry_baggage(**entries: str) -> Iterator[None]:
    present = context.get_current()
    for name, value in entries.items():
        present = baggage.set_baggage(name.replace("_", "-"), value, present)
    attached = context.attach(present)
    try:
        yield
    finally:
        context.detach(attached)


def injected(departure: Any) -> str | None:
    """Return the header that instrumentation below us would write."""
    carrier: dict[str, str] = {}
    with in_context_of(departure):
        propagate.inject(carrier)
    return carrier.get("baggage")


def test_undecided_work_leaves_the_header_unchanged() -> None:
    assert depart(OUTSIDE, None).header is None
    assert depart(OUTSIDE, "a=1").header == "a=1"


def test_the_header_and_the_context_agree_for_each_destination(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=[INSIDE], policy={"external-call": "allow"})
    with opentelemetry_baggage(tenant="7"), synthetic.simulated(run="rush-hour"):
        ours = synthetic.headers()["baggage"]
        inside, outside = depart(INSIDE, "a=1"), depart(OUTSIDE, f"{ours},a=1")
        assert (inside.header, injected(inside)) == (f"{ours},a=1", f"{ours},tenant=7")
        assert (outside.header, injected(outside)) == ("a=1", "tenant=7")
        assert depart(OUTSIDE, ours).header is None
        with synthetic.real():
            real = depart(INSIDE, f"a=1,{ours}")
            assert (real.header, injected(real)) == ("a=1", "tenant=7")


def test_a_failed_call_restores_the_context() -> None:
    with synthetic.simulated(run="rush-hour"):
        before = context.get_current()
        departure = depart(INSIDE, None)
        with pytest.raises(KeyError), in_context_of(departure):
            raise KeyError
        assert context.get_current() is before


@pytest.mark.parametrize("header", ["synthetic-traffic=old", " synthetic-traffic = old ;p", "synthetic%2Dtraffic=old"])
def test_a_stale_entry_in_any_spelling_is_not_sent(header: str) -> None:
    with synthetic.real():
        assert depart(INSIDE, f"a=1,{header}").header == "a=1"
    with synthetic.simulated(run="rush-hour"):
        assert depart(INSIDE, f"{header},a=1").header == f"{synthetic.headers()['baggage']},a=1"


def test_a_marker_set_by_hand_is_only_sent_to_internal_hosts() -> None:
    with synthetic.simulated(run="rush-hour"):
        header = synthetic.headers()["baggage"]

    def by_hand() -> None:
        assert depart(INSIDE, header).header == header
        with pytest.raises(ExternalCallRefused):
            depart(OUTSIDE, header)

    Context().run(by_hand)


def test_a_refusal_names_the_two_settings_that_would_allow_the_call() -> None:
    with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalCallRefused) as raised:
        depart(OUTSIDE, None)
    assert str(raised.value) == (
        "simulated work (run 'rush-hour') called 'api.example.com', which is not one of internal_hosts. If the host "
        "takes part, add it to internal_hosts. If simulated work may really call it, without the marker, set "
        "external-call = 'allow' in the policy for 'default'."
    )


def test_a_refusal_is_pickled_with_its_facts() -> None:
    with synthetic.simulated(run="rush-hour", actor="rider-7") as marker, pytest.raises(ExternalCallRefused) as raised:
        depart(OUTSIDE, None)
    restored = pickle.loads(pickle.dumps(raised.value))
    assert (restored.host, restored.effect, restored.marker) == (OUTSIDE, "external-call", marker)
    assert str(restored) == str(raised.value)


@pytest.mark.parametrize("host", [INSIDE, OUTSIDE])
def test_a_marker_that_does_not_verify_raises_for_every_host(host: str) -> None:
    with opentelemetry_baggage(synthetic_traffic=mint(shared_key())), pytest.raises(synthetic.UnverifiedMarker):
        depart(host, None)


def test_a_marker_in_the_context_raises_without_keys(keys: dict[str, Any]) -> None:
    token = mint(keys)
    with (
        synthetic.configured(keys=None),
        opentelemetry_baggage(synthetic_traffic=token),
        pytest.raises(synthetic.UnverifiedMarker) as raised,
    ):
        depart(INSIDE, None)
    assert raised.value.reason == "no-keys"


def test_a_service_with_public_keys_forwards_markers_and_cannot_start_simulations() -> None:
    pytest.importorskip("cryptography")
    private, public = eddsa_pair()
    synthetic.configure(keys=public, internal_hosts=[INSIDE])
    token = mint(private)
    with opentelemetry_baggage(synthetic_traffic=token):
        assert depart(INSIDE, None).header == entry(token)
    with pytest.raises(ConfigurationError, match="only public keys"), synthetic.simulated(run="rush-hour"):
        pass


def test_each_call_uses_the_current_configuration(keys: dict[str, Any]) -> None:
    with synthetic.simulated(run="rush-hour"):
        with pytest.raises(ExternalCallRefused):
            depart(OUTSIDE, None)
        with synthetic.configured(internal_hosts=[OUTSIDE]):
            assert depart(OUTSIDE, None).header == synthetic.headers()["baggage"]
        with pytest.raises(ExternalCallRefused):
            depart(OUTSIDE, None)


def test_sending_a_message_allows_calls_to_the_broker_host_only() -> None:
    broker = "sqs.example.com"
    with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour"):
        beside_message = egress.beside_message(f"https://{broker}/queue")
        assert beside_message is not directly
        with attached(beside_message):
            assert depart(broker, "a=1") == Departure("a=1")
            assert depart(INSIDE, None).header == synthetic.headers()["baggage"]
            for other in (OUTSIDE, f"eu.{broker}", "example.com", ""):
                with pytest.raises(ExternalCallRefused) as refused:
                    depart(other, None)
                assert refused.value.host == other
        with pytest.raises(ExternalCallRefused):
            depart(broker, None)
    assert [outcome.target for outcome in outcomes] == [OUTSIDE, f"eu.{broker}", "example.com", "", broker]


def test_real_work_calls_a_broker_like_any_other_host() -> None:
    assert egress.beside_message("https://sqs.example.com/queue") is directly
    with synthetic.real():
        assert egress.beside_message("https://sqs.example.com/queue") is directly


def test_only_external_calls_of_simulated_work_are_on_the_ledger(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=[INSIDE], policy={"external-call": "allow"}, service="rides")
    with ledger.recorded() as outcomes, synthetic.simulated(run="rush-hour") as marker:
        depart(INSIDE, None)
        depart(OUTSIDE, None)
        with synthetic.real():
            depart(OUTSIDE, None)
    assert [(o.effect, o.action, o.marker, o.target, o.service) for o in outcomes] == [
        ("external-call", "allow", marker, OUTSIDE, "rides")
    ]


@pytest.mark.parametrize("work", ["simulated", "real", "nothing decided"])
@pytest.mark.parametrize("leaves", ["as a call", "as a message"])
def test_an_outgoing_header_is_parsed_at_most_once(work: str, leaves: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[object] = []

    def find(headers: Any, key: str) -> Any:
        parsed.append(headers)
        return baggage_header.find(headers, key)

    monkeypatch.setattr(egress, "find", find)
    scope = {"simulated": synthetic.simulated(run="rush-hour"), "real": synthetic.real()}.get(work, nullcontext())
    with scope:
        departure = depart(INSIDE, "a=1") if leaves == "as a call" else egress.dispatch("a=1")
        mine = synthetic.headers().get("baggage")
    assert departure.header == (f"{mine},a=1" if mine else "a=1")
    assert parsed == ([] if (work, leaves) == ("nothing decided", "as a message") else [("a=1",)])


def test_plain_and_awaited_calls_run_in_the_context_of_their_departure() -> None:
    def marker_seen() -> object:
        return baggage.get_baggage("synthetic-traffic")

    async def marker_seen_after_a_while() -> object:
        await asyncio.sleep(0)
        return marker_seen()

    with synthetic.simulated(run="rush-hour"):
        token = marker_seen()
        departure = depart(INSIDE, None)
        outside = context.attach(context.Context())
        try:
            departure = depart(INSIDE, None)
            assert marker_seen() is None
            assert departure.within(marker_seen) == token
            assert asyncio.run(departure.within(marker_seen_after_a_while)) == token
            assert marker_seen() is None
        finally:
            context.detach(outside)
    assert depart(INSIDE, None).within is directly


class Compiled(Coroutine[Any, Any, object]):
    """A coroutine that is not Python's own, as compilers make them."""

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read

    def send(self, value: Any) -> Any:
        raise StopIteration(self._read())

    def throw(self, *error: Any) -> Any:
        raise AssertionError("it is only awaited")

    def close(self) -> None:
        """Nothing is open."""

    def __await__(self) -> Iterator[Any]:
        return self._read()
        yield


def test_a_coroutine_of_a_compiled_function_is_awaited_in_the_context_of_its_departure() -> None:
    def marker_seen() -> object:
        return baggage.get_baggage("synthetic-traffic")

    async def sent(departure: Departure) -> object:
        return await departure.within(lambda: Compiled(marker_seen))

    with synthetic.simulated(run="rush-hour"):
        token = marker_seen()
        outside = context.attach(context.Context())
        try:
            assert asyncio.run(sent(depart(INSIDE, None))) == token
        finally:
            context.detach(outside)


def test_a_header_of_more_than_64_kib_does_not_leave() -> None:
    header = "x=" + "y" * 65_535
    for work in (synthetic.real(), synthetic.simulated(run="rush-hour")):
        with work, pytest.raises(UnverifiedMarker, match="too-long"):
            depart(INSIDE, header)
