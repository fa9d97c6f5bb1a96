"""Metrics of simulated work: those of OpenTelemetry's server instrumentations, and those of the application."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

import synthetic
import synthetic.telemetry
from tests.support.keys import entry, mint
from tests.support.servers import ROOT, environment
from tests.support.versions import is_before, needs

FRAMEWORKS = [
    "asgi_outside",
    "asgi_inside",
    "wsgi_outside",
    "wsgi_inside",
    "fastapi",
    "starlette",
    "flask_inside",
    "flask_outside",
    "django_wsgi",
    "django_asgi",
    "aiohttp",
]
NEEDS_A_SAMPLED_SPAN = "flask_outside"
NEEDS_A_TRACER_PROVIDER = "aiohttp"
IS_OLD = is_before("opentelemetry-instrumentation", "0.66b0")
"""The oldest has the new names for some frameworks only, and its Flask measures without the span."""


def measured(framework: str, sampler: str, keys: dict[str, Any]) -> dict[str, list[Any]]:
    """Serve a real and a simulated request; return what each metric of the server measured."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.metered", framework, sampler],
        env=environment() | {"SYNTHETIC_KEYS": json.dumps(keys)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Any]] = {}
    for name, attributes, value in json.loads(done.stdout):
        found.setdefault(name, []).append((attributes, value))
    return found


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
def test_the_metrics_of_a_server_tell_simulated_requests_from_real_ones(
    framework: str, sampler: str, keys: dict[str, Any]
) -> None:
    found = measured(framework, sampler, keys)
    is_marked = framework != NEEDS_A_SAMPLED_SPAN or (sampler == "always_on" and not IS_OLD)
    for name in set(found) - {"http.server.active_requests", "synthetic.admissions"}:
        assert found[name] == ([({"user_agent.synthetic.type": "test"}, 1), ({}, 1)] if is_marked else [({}, 2)]), name
    assert {"http.server.duration", *(() if IS_OLD else ("http.server.request.duration",))} <= set(found)
    assert found["http.server.active_requests"] == [({}, 0)]


@pytest.mark.parametrize("framework", ["asgi_outside", "wsgi_outside", NEEDS_A_TRACER_PROVIDER])
def test_most_servers_need_no_tracer_provider_for_that(framework: str, keys: dict[str, Any]) -> None:
    found = measured(framework, "none", keys)["http.server.duration"]
    is_marked = framework != NEEDS_A_TRACER_PROVIDER
    assert found == ([({"user_agent.synthetic.type": "test"}, 1), ({}, 1)] if is_marked else [({}, 2)])


@pytest.fixture
def reader(keys: dict[str, Any]) -> InMemoryMetricReader:
    synthetic.configure(keys=keys)
    return InMemoryMetricReader()


def points_of(reader: InMemoryMetricReader) -> list[tuple[str, dict[str, Any], Any]]:
    data: Any = reader.get_metrics_data()
    points = [
        (metric.name, dict(point.attributes), getattr(point, "value", None) or getattr(point, "count", 0))
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]
    return sorted(points, key=str)


def test_the_applications_own_metrics_are_marked_by_the_verdict_in_force(reader: InMemoryMetricReader) -> None:
    meter = synthetic.telemetry.mark_metrics(MeterProvider([reader])).get_meter("shop")
    orders, prices = meter.create_counter("orders"), meter.create_histogram("prices")
    carts = meter.create_up_down_counter("carts")
    orders.add(1, {"tier": "gold"})
    with synthetic.simulated(run="rush-hour"):
        orders.add(2, {"tier": "gold"})
        prices.record(700)
        carts.add(1)
        with synthetic.real():
            orders.add(4)
            prices.record(800)
    assert points_of(reader) == [
        ("carts", {}, 1),
        ("orders", {"tier": "gold", "user_agent.synthetic.type": "test"}, 2),
        ("orders", {"tier": "gold"}, 1),
        ("orders", {}, 4),
        ("prices", {"user_agent.synthetic.type": "test"}, 1),
        ("prices", {}, 1),
    ]


def test_the_run_is_an_attribute_if_the_setting_says_so(reader: InMemoryMetricReader) -> None:
    meter = synthetic.telemetry.mark_metrics(MeterProvider([reader])).get_meter("shop")
    orders = meter.create_counter("orders")
    with synthetic.configured(metrics_run=True, attribute="synthetic.type"), synthetic.simulated(run="rush-hour"):
        orders.add(1)
    assert points_of(reader) == [("orders", {"synthetic.type": "test", "synthetic.run": "rush-hour"}, 1)]


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
def test_a_measurement_after_the_work_is_marked_by_its_span(
    reader: InMemoryMetricReader, sampler: Any, keys: dict[str, Any]
) -> None:
    durations = (
        synthetic.telemetry.mark_metrics(MeterProvider([reader])).get_meter("shop").create_histogram("durations")
    )
    tracer = TracerProvider(sampler=sampler).get_tracer("shop")
    for headers in ({}, {"baggage": entry(mint(keys))}):
        with tracer.start_as_current_span("request"):
            with synthetic.admitted(headers):
                pass
            durations.record(1)
    assert points_of(reader) == [("durations", {"user_agent.synthetic.type": "test"}, 1), ("durations", {}, 1)]


@needs("opentelemetry-api", "1.45", "may measure without a context")
@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
def test_a_context_that_is_given_with_a_measurement_says_more_than_the_verdict_in_force(
    reader: InMemoryMetricReader, sampler: Any, keys: dict[str, Any]
) -> None:
    durations = (
        synthetic.telemetry.mark_metrics(MeterProvider([reader])).get_meter("shop").create_histogram("durations")
    )
    span = TracerProvider(sampler=sampler).get_tracer("shop").start_span("request")
    with trace.use_span(span), synthetic.admitted({"baggage": entry(mint(keys))}):
        pass
    with synthetic.real():
        durations.record(1, context=trace.set_span_in_context(span))
        durations.record(1)
    assert points_of(reader) == [("durations", {"user_agent.synthetic.type": "test"}, 1), ("durations", {}, 1)]


def test_a_bot_that_opentelemetry_has_recognized_is_not_marked(reader: InMemoryMetricReader) -> None:
    durations = (
        synthetic.telemetry.mark_metrics(MeterProvider([reader])).get_meter("shop").create_histogram("durations")
    )
    with TracerProvider().get_tracer("shop").start_as_current_span("request") as span:
        span.set_attribute("user_agent.synthetic.type", "test")
        durations.record(1)
    assert points_of(reader) == [("durations", {}, 1)]


def test_a_marking_meter_provider_is_the_one_that_it_was_made_from(reader: InMemoryMetricReader) -> None:
    provider: Any = synthetic.telemetry.mark_metrics(MeterProvider([reader]))
    assert isinstance(provider, MeterProvider)
    assert provider.force_flush()
    provider.shutdown()
