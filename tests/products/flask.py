"""Flask: an application with one view, and the reporting application as somebody would write it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import flask
from flask import Response, request, stream_with_context

import synthetic_flask
from tests.support import streams
from tests.support.reporting import APPLICATION_HEADERS, JOURNAL


def application(rule: str, view: Callable[[], Any]) -> flask.Flask:
    """One with a single view. Its class is looked up here: OpenTelemetry replaces it."""
    app = flask.Flask("tests")
    app.add_url_rule(rule, "view", view)
    return app


def instrumentor() -> Any:
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    return FlaskInstrumentor()


# The reporting application


def seen(**more: Any) -> bytes:
    header = request.headers.get("baggage")
    return streams.line([] if header is None else [header], **more)


def echo() -> Response:
    JOURNAL.note(id_(), "called")
    return Response(seen(), headers=APPLICATION_HEADERS)


async def async_echo() -> Response:
    return Response(seen(), headers=APPLICATION_HEADERS)


def body() -> Response:
    return Response(seen(length=len(request.get_data())), headers=APPLICATION_HEADERS)


def stream() -> Response:
    return Response(stream_with_context(streams.steps(seen)), headers=APPLICATION_HEADERS)


def fail() -> Response:
    raise RuntimeError("the application fails")


def fail_late() -> Response:
    return Response(stream_with_context(streams.failing_steps(seen)), headers=APPLICATION_HEADERS)


def after() -> Response:
    response, name = Response(seen()), id_()
    response.call_on_close(lambda: JOURNAL.note(name, "after"))
    return response


def events() -> Response:
    steps = stream_with_context(streams.events(seen, id_()))
    return Response(steps, headers=APPLICATION_HEADERS, mimetype="text/event-stream")


def id_() -> str:
    return request.headers.get("x-id", "")


VIEWS: list[Callable[..., Any]] = [echo, async_echo, body, stream, fail, fail_late, after, events]


def flask_application() -> flask.Flask:
    app = flask.Flask("reporting")
    app.logger.setLevel(logging.CRITICAL)  # it fails on purpose
    for view in VIEWS:
        path = f"/<entrance>/{view.__name__.replace('_', '-')}"
        app.add_url_rule(path, view.__name__, view, methods=["GET", "POST"])

    @app.url_value_preprocessor
    def leave_out_the_entrance(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values:
            del values["entrance"]

    return app


def installed(*, times: int = 1, **settings: Any) -> flask.Flask:
    app = flask_application()
    for _ in range(times):
        synthetic_flask.install(app, **settings)
    return app
