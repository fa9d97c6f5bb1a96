"""Flask with ours and OpenTelemetry's or Sentry's instrumentation, whichever comes first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import synthetic
import synthetic.wsgi
import synthetic_flask
from tests.contract.web_beside_opentelemetry import BesideOpenTelemetry
from tests.products.flask import flask_application
from tests.support.entrances import wsgi_entrances
from tests.support.markers import marked
from tests.support.servers import environment, waitress_server, wsgiref_server
from tests.support.wire import get

Keys = dict[str, Any]
SPANS = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(SPANS))


def ours(app: Any) -> Any:
    synthetic_flask.install(app)
    return app


def otel(app: Any) -> Any:
    FlaskInstrumentor.instrument_app(app, tracer_provider=PROVIDER)
    return app


def without_otel(app: Any) -> Any:
    FlaskInstrumentor.uninstrument_app(app)
    return app


def of_an_instrumented_class() -> Any:
    FlaskInstrumentor().instrument(tracer_provider=PROVIDER)
    try:
        app = flask.Flask("instrumented")
    finally:
        FlaskInstrumentor().uninstrument()
    for rule in (source := flask_application()).url_map.iter_rules():
        if rule.endpoint != "static":
            app.add_url_rule(rule.rule, rule.endpoint, source.view_functions[rule.endpoint], methods=rule.methods)
    app.url_value_preprocessors.update(source.url_value_preprocessors)
    return app


APPS = {
    "ours-otel": otel(ours(flask_application())),
    "otel-ours": ours(otel(flask_application())),
    "class-ours": ours(of_an_instrumented_class()),
    "ours-otel-off": without_otel(otel(ours(flask_application()))),
    "otel-ours-off": without_otel(ours(otel(flask_application()))),
    "otel-ours-off-otel": otel(without_otel(ours(otel(flask_application())))),
    "around-otel": synthetic.wsgi.SyntheticTrafficMiddleware(otel(flask_application())),
}
"""What was done to the application, in order."""
HAVE_SPANS = {"ours-otel", "otel-ours", "class-ours", "otel-ours-off-otel", "around-otel"}


@pytest.fixture(scope="module", params=[wsgiref_server, waitress_server])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with request.param(wsgi_entrances(APPS)) as port:
        yield port


@pytest.fixture(params=APPS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestBesideOpenTelemetry(BesideOpenTelemetry):
    def test_opentelemetry_makes_its_span_where_it_is_instrumented(self, port: int, name: str, keys: Keys) -> None:
        synthetic.configure(keys=keys)
        SPANS.clear()
        get(port, f"/{name}/echo", marked(keys))
        spans = [span.name for span in SPANS.get_finished_spans()]
        assert spans == (["GET /<entrance>/echo"] if name in HAVE_SPANS else [])


SENTRY = """
import sentry_sdk
from tests.support import sentry

sentry.init()

import synthetic
import synthetic_flask
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import baggage
from tests.products.flask import flask_application
from tests.support.servers import waitress_server
from tests.support.wire import get

synthetic.configure(keys=(keys := shared_key()))
synthetic.instrument("logging")
synthetic_flask.install(app := flask_application())
token = mint(keys)
with waitress_server(app) as port:
    for action in ("echo", "stream"):
        for seen in get(port, f"/plain/{action}", baggage("sentry-sampled=true", entry(token))).lines():
            assert (seen["simulated"], seen["headers"]) == (True, {"baggage": entry(token)}), seen
            assert seen["baggage"] == [f"{entry(token)},sentry-sampled=true"], seen
        for seen in get(port, f"/plain/{action}", baggage("sentry-sampled=true")).lines():
            assert (seen["simulated"], seen["explicit"]) == (False, True), seen
assert sentry_sdk.get_client().get_integration("flask") is not None
print("done")
"""


def test_with_sentry_each_request_has_its_own_verdict(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SENTRY], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "done\n", done.stderr
