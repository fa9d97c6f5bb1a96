"""Flask, Django and FastAPI: what a request costs more than the bare one, against OpenTelemetry's instrumentation."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import flask
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
import synthetic_flask
import synthetic_starlette
from tests.benchmarks.material import HEADERS, environ_of, receive, scope_of, send, start_response
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import entry, mint, shared_key

_NO_OP: dict[str, Any] = {"tracer_provider": NoOpTracerProvider(), "meter_provider": NoOpMeterProvider()}
_PARTS = 10

_WSGI_CALL = """
body = application({**environ}, start_response)
for chunk in body:
    pass
body.close()
"""

# No event loop: nothing here ever waits.
_ASGI_CALL = """
try:
    application({**scope, "headers": [*headers], "state": {}}, receive, send).send(None)
except StopIteration:
    pass
else:
    raise AssertionError("it waits")
"""


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated requests of each framework."""
    with synthetic.configured(keys=(keys := shared_key())):
        marked = (*HEADERS, ("baggage", entry(mint(keys))))
        for name, build, case in (
            ("Flask", _flask, _wsgi_case),
            ("Django, settings only", _django, _wsgi_case),
            ("FastAPI", _fastapi, _asgi_case),
        ):
            yield from _rows(name, build, case, marked, effort)


def _rows(
    name: str,
    build: Callable[[str], Any],
    case: Callable[[Any, Any], Case],
    marked: Any,
    effort: Effort,
) -> Iterator[Row]:
    bare, ours, theirs = build("bare"), build("ours"), build("theirs")
    times = interleaved(
        {
            "bare": case(bare, HEADERS),
            "real": case(ours, HEADERS),
            "peer": case(theirs, HEADERS),
            "simulated": case(ours, marked),
            "simulated peer": case(theirs, marked),
        },
        effort.rounds // 3,
    )
    against = f"OpenTelemetry {name.partition(',')[0]}, no-op tracer"
    for kind, peer, goal in (("real", "peer", at_most_one_in(_PARTS)), ("simulated", "simulated peer", None)):
        what = f"{name}, {kind}: added time"
        yield Row(what, times.added(kind, "bare"), against, times.added(peer, "bare"), goal)


def _wsgi_case(application: Any, headers: tuple[tuple[str, str], ...]) -> Case:
    environ = environ_of(headers) | {"wsgi.input": io.BytesIO()}
    return Case(
        statement(_WSGI_CALL, application=application, environ=environ, start_response=start_response), number=20
    )


def _asgi_case(application: Any, headers: tuple[tuple[str, str], ...]) -> Case:
    scope = scope_of(headers)
    return Case(
        statement(
            _ASGI_CALL, application=application, scope=scope, headers=scope["headers"], receive=receive, send=send
        ),
        number=20,
    )


def _flask(kind: str) -> Any:
    app = flask.Flask("bench")
    app.add_url_rule("/rides/17", "ride", lambda: "{}")
    if kind == "ours":
        synthetic_flask.install(app)
    elif kind == "theirs":
        FlaskInstrumentor.instrument_app(app, **_NO_OP)
    return app


def _fastapi(kind: str) -> Any:
    app = FastAPI()

    @app.get("/rides/17", response_class=PlainTextResponse)
    async def ride() -> str:
        return "{}"

    if kind == "ours":
        synthetic_starlette.install(app)
    elif kind == "theirs":
        FastAPIInstrumentor.instrument_app(app, **_NO_OP)
    return app


def _django(kind: str) -> Any:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, SECRET_KEY="bench")
    routes = ModuleType("bench_routes")
    routes.urlpatterns = [path("rides/17", lambda request: HttpResponse("{}"))]  # type: ignore[attr-defined]
    sys.modules[routes.__name__] = routes
    settings.ROOT_URLCONF = routes.__name__
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    ours = ["synthetic_django.SyntheticTrafficMiddleware"]
    with override_settings(MIDDLEWARE=ours if kind == "ours" else []):
        if kind != "theirs":
            return get_wsgi_application()
        DjangoInstrumentor().instrument(**_NO_OP)
        try:
            return get_wsgi_application()
        finally:
            DjangoInstrumentor().uninstrument()
