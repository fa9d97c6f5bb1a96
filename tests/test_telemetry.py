"""Spans and log records of simulated work carry its attributes. Those of real work carry none."""

from __future__ import annotations

import logging
import threading
import warnings
from contextvars import Context
from typing import Any

import pytest
import requests
from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as log_export
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import synthetic
from synthetic import telemetry
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.propagation import SyntheticTrafficPropagator
from tests.support.clients import brought_by_opentelemetry, run_script
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import uvicorn_server

# OpenTelemetry renamed it in 1.39.
InMemoryLogs = getattr(log_export, "InMemoryLogRecordExporter", None) or log_export.InMemoryLogExporter

TYPE = "user_agent.synthetic.type"


class Spans:
    """A tracer provider of the SDK after ``setup``, and its exported spans."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        telemetry.setup(self.provider)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("tests")

    def attributes(self, name: str) -> dict[str, Any]:
        (span,) = [span for span in self.exporter.get_finished_spans() if span.name == name]
        return dict(span.attributes or {})


class Logs:
    """A logger provider of the SDK after ``setup``, and its exported records."""

    def __init__(self) -> None:
        self.exporter = InMemoryLogs()
        self.provider = LoggerProvider()
        telemetry.setup(None, self.provider)
        self.provider.add_log_record_processor(log_export.SimpleLogRecordProcessor(self.exporter))
        self.logger = logging.Logger("rides")
        self.logger.addHandler(_handler(self.provider))

    def attributes(self, body: str) -> dict[str, Any]:
        records = [finished.log_record for finished in self.exporter.get_finished_logs()]
        (record,) = [record for record in records if record.body == body]
        return {name: value for name, value in (record.attributes or {}).items() if "synthetic" in name}


def _handler(provider: LoggerProvider) -> logging.Handler:
    from opentelemetry.sdk._logs import LoggingHandler

    with warnings.catch_warnings():
        # OpenTelemetry moves the handler to a package that is in beta. Users still use the one of the SDK.
        warnings.simplefilter("ignore", DeprecationWarning)
        return LoggingHandler(logger_provider=provider)


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def logs() -> Logs:
    return Logs()


SIMULATED = {
    TYPE: "test",
    "synthetic.run": "rush-hour",
    "synthetic.kind": "load",
    "synthetic.scenario": "book",
}


def test_spans_of_simulated_work_carry_type_run_kind_and_scenario(spans: Spans) -> None:
    with synthetic.simulated(run="rush-hour", kind="load", actor="rider-7", scenario="book"):
        spans.tracer.start_span("first").end()
        spans.tracer.start_span("second").end()
    assert spans.attributes("first") == spans.attributes("second") == SIMULATED


def test_spans_of_real_work_carry_nothing(spans: Spans) -> None:
    with spans.tracer.start_as_current_span("unset"), synthetic.real(), spans.tracer.start_as_current_span("real"):
        pass
    with synthetic.simulated(run="rush-hour"), synthetic.real(), spans.tracer.start_as_current_span("heartbeat"):
        pass
    assert [spans.attributes(name) for name in ("unset", "real", "heartbeat")] == [{}, {}, {}]


def test_log_records_of_simulated_work_carry_the_attributes_and_keep_their_own(logs: Logs) -> None:
    with synthetic.simulated(run="rush-hour", kind="load", scenario="book"):
        logs.logger.warning("simulated")
        logs.logger.warning("own", extra={"synthetic.run": "mine", "synthetic.seat": 12})
    logs.logger.warning("unset")
    with synthetic.real():
        logs.logger.warning("real")
    assert logs.attributes("simulated") == SIMULATED
    assert logs.attributes("own") == {**SIMULATED, "synthetic.run": "mine", "synthetic.seat": 12}
    assert logs.attributes("unset") == logs.attributes("real") == {}


def test_the_attribute_name_can_be_configured(keys: dict[str, Any], spans: Spans, logs: Logs) -> None:
    synthetic.configure(keys=keys, attribute="synthetic.type")
    with synthetic.simulated(run="rush-hour"), spans.tracer.start_as_current_span("work"):
        logs.logger.warning("line")
    expected = {"synthetic.type": "test", "synthetic.run": "rush-hour", "synthetic.kind": "simulation"}
    assert spans.attributes("work") == logs.attributes("line") == expected


def test_setup_twice_adds_one_processor(spans: Spans, logs: Logs) -> None:
    before = [
        len(spans.provider._active_span_processor._span_processors),
        len(logs.provider._multi_log_record_processor._log_record_processors),
    ]
    telemetry.setup(spans.provider, logs.provider)
    telemetry.setup(spans.provider, logs.provider)
    assert before == [
        len(spans.provider._active_span_processor._span_processors),
        len(logs.provider._multi_log_record_processor._log_record_processors),
    ]


def test_two_providers_can_both_be_set_up() -> None:
    first, second = Spans(), Spans()
    with synthetic.simulated(run="rush-hour"):
        for spans in (first, second):
            spans.tracer.start_span("work").end()
    assert first.attributes("work") == second.attributes("work") != {}


def test_a_provider_that_takes_no_processors_is_an_error() -> None:
    with pytest.raises(TypeError, match="takes no processors"):
        telemetry.setup(trace.NoOpTracerProvider())  # type: ignore[arg-type]


@pytest.mark.parametrize("has_keys", [True, False])
def test_telemetry_of_unverified_work_says_unverified_and_does_not_raise(
    keys: dict[str, Any], spans: Spans, logs: Logs, has_keys: bool
) -> None:
    with synthetic.configured(keys=keys if has_keys else None), brought_by_opentelemetry(mint(shared_key())):
        spans.tracer.start_span("work").end()
        logs.logger.warning("line")
    assert spans.attributes("work") == logs.attributes("line") == {TYPE: "unverified"}


def test_a_verified_marker_from_opentelemetry_is_on_the_span(spans: Spans, keys: dict[str, Any]) -> None:
    with brought_by_opentelemetry(mint(keys)), spans.tracer.start_as_current_span("work"):
        pass
    assert spans.attributes("work")["synthetic.run"] == "rush-hour"


def test_a_span_gets_its_attributes_from_the_given_parent_context(spans: Spans, keys: dict[str, Any]) -> None:
    with synthetic.simulated(run="rush-hour"):
        handed_over = context.get_current()
    extracted = baggage.set_baggage("synthetic-traffic", mint(keys), context.Context())
    forged = baggage.set_baggage("synthetic-traffic", mint(shared_key()), context.Context())

    def elsewhere() -> None:
        spans.tracer.start_span("handed over", context=handed_over).end()
        spans.tracer.start_span("extracted", context=extracted).end()
        spans.tracer.start_span("forged", context=forged).end()
        spans.tracer.start_span("nothing", context=context.Context()).end()

    thread = threading.Thread(target=Context().run, args=(elsewhere,))
    thread.start()
    thread.join()
    assert spans.attributes("handed over")["synthetic.run"] == "rush-hour"
    assert spans.attributes("extracted")["synthetic.run"] == "rush-hour"
    assert spans.attributes("forged") == {TYPE: "unverified"}
    assert spans.attributes("nothing") == {}


def test_a_server_span_started_before_admission_gets_the_attributes(spans: Spans, keys: dict[str, Any]) -> None:
    asgi = pytest.importorskip("opentelemetry.instrumentation.asgi")

    def work(request: Request) -> PlainTextResponse:
        spans.tracer.start_span(f"inside {request.url.path}").end()
        return PlainTextResponse("done")

    app = SyntheticTrafficMiddleware(Starlette(routes=[Route("/{name}", work)]))
    outside = asgi.OpenTelemetryMiddleware(app, tracer_provider=spans.provider)
    headers = {
        "simulated": {"baggage": entry(mint(keys))},
        "real": {},
        "forged": {"baggage": entry(mint(shared_key()))},
    }
    with uvicorn_server(outside) as port:
        statuses = [
            requests.get(f"http://127.0.0.1:{port}/{name}", headers=header).status_code
            for name, header in headers.items()
        ]
    assert statuses == [200, 200, 403]
    told = {
        span.attributes["http.target"]: span.attributes.get("synthetic.run")
        for span in spans.exporter.get_finished_spans()
        if span.kind is trace.SpanKind.SERVER
    }
    assert told == {"/simulated": "rush-hour", "/real": None, "/forged": None}
    assert spans.attributes("inside /simulated")["synthetic.run"] == "rush-hour"
    assert spans.attributes("inside /real") == {}


@pytest.mark.parametrize("others", [[], [SyntheticTrafficPropagator()]], ids=["baggage", "baggage,synthetic"])
def test_a_span_started_before_its_message_was_admitted_gets_the_attributes(
    keys: dict[str, Any], others: list[Any]
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    headers = {"baggage": entry(mint(keys))}
    brought = CompositePropagator([W3CBaggagePropagator(), *others]).extract(headers)
    span = provider.get_tracer("tests").start_span("server", context=brought)
    attached = context.attach(trace.set_span_in_context(span, brought))
    with synthetic.admitted(headers):
        pass
    context.detach(attached)
    span.end()
    (finished,) = exporter.get_finished_spans()
    assert (finished.attributes or {}).get("synthetic.run") == "rush-hour"


class Failing(trace.NonRecordingSpan):
    """A custom span that no longer takes attributes."""

    def is_recording(self) -> bool:
        return True

    def set_attributes(self, attributes: Any) -> None:
        raise RuntimeError("the exporter is closed")


def test_a_span_that_rejects_attributes_does_no_harm_to_the_message(keys: dict[str, Any]) -> None:
    with trace.use_span(Failing(trace.SpanContext(1, 1, False))):
        before = context.get_current()
        with pytest.raises(RuntimeError, match="closed"):
            trace.get_current_span().set_attributes({})
        with synthetic.admitted({"baggage": entry(mint(keys))}) as marker:
            assert synthetic.current() == marker
            assert marker is not None
        assert synthetic.current() is None
        assert context.get_current() == before


def test_attributes_returns_the_attributes_and_never_raises(keys: dict[str, Any]) -> None:
    assert telemetry.attributes() == {}
    with synthetic.simulated(run="rush-hour", kind="load", scenario="book"):
        assert telemetry.attributes() == SIMULATED
    with brought_by_opentelemetry("not a token"):
        assert telemetry.attributes() == {TYPE: "unverified"}


GLOBAL = """
import synthetic, synthetic.telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
synthetic.telemetry.setup()
synthetic.telemetry.setup()
synthetic.instrument("http-client")
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
with synthetic.simulated(run="rush-hour"), trace.get_tracer("tests").start_as_current_span("work"):
    pass
print(exporter.get_finished_spans()[0].attributes["synthetic.run"])
"""


def test_one_call_sets_up_the_global_providers(keys: dict[str, Any]) -> None:
    assert run_script(GLOBAL, keys=keys) == "rush-hour\n"
