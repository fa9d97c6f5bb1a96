"""Flask, Django and FastAPI: what a request costs more than the bare one, against OpenTelemetry's instrumentation."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
import synthetic_flask
import synthetic_starlette
from tests.benchmarks.material import HEADERS, environ_of, receive, scope_of, send, start_response
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.products import django, fastapi, flask
from tests.support.keys import entry, mint, shared_key
from tests.support.switches import by_opentelemetry

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
    return _with(kind, flask.application("/rides/17", lambda: "{}"), synthetic_flask.install, flask.instrumentor)


def _fastapi(kind: str) -> Any:
    async def ride() -> str:
        return "{}"

    return _with(kind, fastapi.application("/rides/17", ride), synthetic_starlette.install, fastapi.instrumentor)


def _with(kind: str, app: Any, install: Callable[[Any], Any], instrumentor: Callable[[], Any]) -> Any:
    if kind == "ours":
        install(app)
    elif kind == "theirs":
        instrumentor().instrument_app(app, **_NO_OP)
    return app


urlpatterns = [path("rides/17", lambda request: HttpResponse("{}"))]


def _django(kind: str) -> Any:
    django.configure(__name__)
    with override_settings(MIDDLEWARE=[django.OURS] if kind == "ours" else []):
        if kind != "theirs":
            return get_wsgi_application()
        with by_opentelemetry(django.instrumentor):
            return get_wsgi_application()
