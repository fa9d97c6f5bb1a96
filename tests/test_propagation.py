"""The OpenTelemetry propagator accepts an extracted marker only if it verifies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import synthetic
from synthetic.propagation import SyntheticTrafficPropagator
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import DAY, REFUSED, expired

PROPAGATOR = CompositePropagator(
    [TraceContextTextMapPropagator(), W3CBaggagePropagator(), SyntheticTrafficPropagator()]
)


@contextmanager
def extracted(*headers: str) -> Iterator[None]:
    """Extract and attach the headers of a request, as an instrumentation does."""
    attached = context.attach(PROPAGATOR.extract({"baggage": list(headers)}))
    try:
        yield
    finally:
        context.detach(attached)


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)


def test_a_good_marker_makes_the_work_simulated(keys: dict[str, Any]) -> None:
    token = mint(keys)
    with extracted(f"user=7,{entry(token)}"):
        assert synthetic.is_synthetic()
        assert synthetic.headers() == {"baggage": entry(token)}
        assert list(baggage.get_all()) == ["synthetic-traffic", "user"]
    assert not synthetic.is_synthetic()


def test_without_a_marker_nothing_is_decided_and_other_baggage_stays() -> None:
    with extracted("user=7"):
        assert not synthetic.is_synthetic()
        assert dict(baggage.get_all()) == {"user": "7"}


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind != "expired"])
def test_a_bad_marker_is_removed_and_the_work_counts_as_unverified(keys: dict[str, Any], kind: str) -> None:
    headers, reason = REFUSED[kind]
    with extracted("user=7", *(value for _, value in headers(keys))):
        with pytest.raises(synthetic.UnverifiedMarker) as raised:
            synthetic.is_synthetic()
        assert raised.value.reason == reason
        assert "synthetic-traffic" not in baggage.get_all()
        injected: dict[str, str] = {}
        PROPAGATOR.inject(injected)
        assert "synthetic-traffic" not in injected.get("baggage", "")


def test_an_expired_marker_is_simulated_within_the_retention_time(keys: dict[str, Any]) -> None:
    with extracted(entry(mint(keys, claims=expired(6 * DAY)))):
        assert synthetic.is_synthetic()
    with extracted(entry(mint(keys, claims=expired(8 * DAY)))), pytest.raises(synthetic.UnverifiedMarker):
        synthetic.is_synthetic()


@pytest.mark.parametrize("headers", [("user=7", "TOKEN"), (f"big={'x' * 9000},TOKEN",), ("a=1;p=TOKEN,TOKEN",)])
def test_a_marker_that_opentelemetry_does_not_read_is_found(keys: dict[str, Any], headers: tuple[str, ...]) -> None:
    token = mint(keys)
    with extracted(*(header.replace("TOKEN", entry(token)) for header in headers)):
        assert synthetic.is_synthetic()
        assert baggage.get_baggage("synthetic-traffic") == token


def test_a_stale_marker_in_the_context_does_not_apply_to_the_next_carrier(keys: dict[str, Any]) -> None:
    with extracted(entry(mint(keys))):
        present = SyntheticTrafficPropagator().extract({}, context.get_current())
        attached = context.attach(present)
        try:
            assert not synthetic.is_synthetic()
        finally:
            context.detach(attached)
        assert synthetic.is_synthetic()


def test_a_good_marker_after_a_bad_one_is_simulated(keys: dict[str, Any]) -> None:
    with extracted(entry(mint(shared_key()))), extracted(entry(mint(keys))):
        assert synthetic.is_synthetic()


def test_a_failing_carrier_is_logged_and_its_work_counts_as_unverified(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def get(self, carrier: object, key: str) -> list[str]:
            raise RuntimeError("no carrier")

        def keys(self, carrier: object) -> list[str]:
            return []

    attached = context.attach(SyntheticTrafficPropagator().extract({}, getter=Broken()))
    try:
        with pytest.raises(synthetic.UnverifiedMarker):
            synthetic.is_synthetic()
    finally:
        context.detach(attached)
    assert "no carrier" in caplog.text


def test_a_wrong_configuration_is_logged_and_does_not_raise_in_instrumentation(
    keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("synthetic._config.in_force.config", None)
    monkeypatch.setenv("SYNTHETIC_LIFETIME", "long")
    present = PROPAGATOR.extract({"baggage": entry(mint(keys))})
    assert "SYNTHETIC_LIFETIME" in caplog.text
    assert context.get_current() != present


def test_the_propagator_injects_nothing_and_names_the_header_it_reads() -> None:
    injected: dict[str, str] = {}
    with synthetic.simulated(run="rush-hour"):
        SyntheticTrafficPropagator().inject(injected)
    assert injected == {}
    assert SyntheticTrafficPropagator().fields == {"baggage"}
