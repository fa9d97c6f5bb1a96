"""The OpenTelemetry propagator accepts an extracted marker only if it verifies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import requests
from opentelemetry import baggage, context, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import synthetic
from synthetic.propagation import SyntheticTrafficPropagator
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import DAY, REFUSED, expired
from tests.support.servers import uvicorn_server

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


def test_an_expired_marker_is_simulated_within_the_retention_time_inside(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, edge=False)
    with extracted(entry(mint(keys, claims=expired(6 * DAY)))):
        assert synthetic.is_synthetic()
    with extracted(entry(mint(keys, claims=expired(8 * DAY)))), pytest.raises(synthetic.UnverifiedMarker):
        synthetic.is_synthetic()


def test_at_an_edge_an_expired_marker_is_unverified(keys: dict[str, Any]) -> None:
    token = entry(mint(keys, claims=expired(60)))
    with extracted(token), pytest.raises(synthetic.UnverifiedMarker) as raised:
        synthetic.is_synthetic()
    assert raised.value.reason == "expired"


@pytest.mark.parametrize("edge", [True, False])
@pytest.mark.parametrize("halt", ["all", "rush-hour"])
def test_the_marker_of_a_halted_run_is_unverified(keys: dict[str, Any], edge: bool, halt: str) -> None:
    synthetic.configure(keys=keys, edge=edge, halt=halt)
    for extract in (extracted, plainly_extracted):
        with extract(entry(mint(keys))), pytest.raises(synthetic.UnverifiedMarker) as raised:
            synthetic.is_synthetic()
        assert raised.value.reason == "halted"


@contextmanager
def plainly_extracted(header: str) -> Iterator[None]:
    """Extract the header as OpenTelemetry does without this library's propagator."""
    attached = context.attach(W3CBaggagePropagator().extract({"baggage": [header]}))
    try:
        yield
    finally:
        context.detach(attached)


@pytest.mark.parametrize("edge", [True, False])
def test_plain_baggage_is_judged_by_the_setting_edge(keys: dict[str, Any], edge: bool) -> None:
    synthetic.configure(keys=keys, edge=edge)
    with plainly_extracted(entry(mint(keys, claims=expired(DAY)))):
        if edge:
            with pytest.raises(synthetic.UnverifiedMarker):
                synthetic.is_synthetic()
        else:
            assert synthetic.is_synthetic()


@pytest.mark.parametrize("extract", [extracted, plainly_extracted])
def test_what_was_admitted_does_not_expire_and_is_not_halted_in_the_middle_of_its_work(
    keys: dict[str, Any], extract: Any, tmp_path: Path
) -> None:
    now = time.time()
    clock = [now]
    halted = tmp_path / "halted"
    synthetic.configure(keys=keys, clock=lambda: clock[0], halt_file=halted)
    token = entry(mint(keys))
    with extract(token):
        assert synthetic.is_synthetic()
        clock[0] = now + 7200
        halted.write_text("all")
        attached = context.attach(baggage.set_baggage("user", "7"))
        assert synthetic.is_synthetic(), "in every context of the same request"
        context.detach(attached)
    with extract(f"x=1,{token}"), pytest.raises(synthetic.UnverifiedMarker):
        synthetic.is_synthetic()


def test_a_request_through_opentelemetrys_middleware_alone_obeys_edge_and_halt(keys: dict[str, Any]) -> None:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            told = str(synthetic.is_synthetic())
        except synthetic.UnverifiedMarker as error:
            told = error.reason.value
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told.encode()})

    before = propagate.get_global_textmap()
    propagate.set_global_textmap(PROPAGATOR)
    try:
        with uvicorn_server(OpenTelemetryMiddleware(app), lifespan="off") as port:  # type: ignore[arg-type]

            def told(token: str) -> str:
                return requests.get(f"http://127.0.0.1:{port}/", headers={"baggage": entry(token)}).text

            late, good = mint(keys, claims=expired(DAY)), mint(keys)
            assert [told(late), told(good)] == ["expired", "True"]
            synthetic.configure(keys=keys, halt="all")
            assert told(good) == "halted"
            synthetic.configure(keys=keys, edge=False)
            assert told(late) == "True"
    finally:
        propagate.set_global_textmap(before)


@pytest.mark.parametrize("setting", [True, False])
def test_a_message_of_opentelemetrys_instrumentation_is_never_judged_as_at_an_edge(
    keys: dict[str, Any], setting: bool
) -> None:
    from opentelemetry.instrumentation.pika import utils
    from opentelemetry.trace import get_tracer
    from pika.spec import Basic, BasicProperties

    synthetic.configure(keys=keys, edge=setting)
    told: list[object] = []
    handle = utils._decorate_callback(  # what pika's instrumentation makes of a consumer's callback
        lambda *message: told.append(synthetic.is_synthetic()), get_tracer("tests"), "task"
    )
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(PROPAGATOR)
    try:
        headers = {"baggage": entry(mint(keys, claims=expired(DAY)))}
        handle(Mock(), Basic.Deliver(exchange="e", routing_key="r"), BasicProperties(headers=headers), b"")
    finally:
        propagate.set_global_textmap(before)
    assert told == [True]


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
