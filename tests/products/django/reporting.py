"""The reporting application as somebody would write it with Django, for WSGI and for ASGI.

Django's settings are made where this module is imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import re_path

from tests.products.django import configure
from tests.support import streams
from tests.support.reporting import APPLICATION_HEADERS, JOURNAL

HEADERS = dict(APPLICATION_HEADERS)

configure()


def seen(request: HttpRequest, **more: Any) -> bytes:
    return streams.line(baggage_of(request), **more)


def baggage_of(request: Any) -> list[str]:
    """The headers as instrumentation finds them: in ASGI in the scope, where Django has not joined them."""
    header = request.headers.get("baggage")
    assert header == request.META.get("HTTP_BAGGAGE")
    headers = [] if header is None else [header]
    if isinstance(request, ASGIRequest):
        unjoined = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"baggage"]
        assert ",".join(unjoined) == ",".join(headers)
        return unjoined
    return headers


def id_of(request: HttpRequest) -> str:
    return request.headers.get("x-id", "")


class Closing(HttpResponse):
    """A response with work to do when it is closed."""

    id_ = ""

    def close(self) -> None:
        super().close()
        JOURNAL.note(self.id_, "after")


def echo(request: HttpRequest) -> HttpResponse:
    JOURNAL.note(id_of(request), "called")
    return HttpResponse(seen(request), headers=HEADERS)


async def async_echo(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return echo(request)


def body(request: HttpRequest) -> HttpResponse:
    return HttpResponse(seen(request, length=len(request.body)), headers=HEADERS)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(streams.steps(partial(seen, request)), headers=HEADERS)


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(streams.async_steps(partial(seen, request)), headers=HEADERS)


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the application fails")


def fail_late(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(streams.failing_steps(partial(seen, request)), headers=HEADERS)


async def async_fail_late(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(streams.async_failing_steps(partial(seen, request)), headers=HEADERS)


def after(request: HttpRequest) -> HttpResponse:
    response = Closing(seen(request))
    response.id_ = id_of(request)
    return response


def events(request: HttpRequest) -> StreamingHttpResponse:
    steps = streams.events(partial(seen, request), id_of(request))
    return StreamingHttpResponse(steps, headers=HEADERS, content_type="text/event-stream")


async def async_events(request: HttpRequest) -> StreamingHttpResponse:
    steps = streams.async_events(partial(seen, request), id_of(request))
    return StreamingHttpResponse(steps, headers=HEADERS, content_type="text/event-stream")


VIEWS: list[Callable[..., Any]] = [
    echo, async_echo, body, stream, async_stream, fail, fail_late, async_fail_late, after, events, async_events,
]  # fmt: skip

urlpatterns = [
    *(re_path(rf"^[^/]+/{view.__name__.replace('_', '-')}$", view) for view in VIEWS),
    re_path(r"^[^/]+/thread-stream$", stream),
]

STREAMS = {name: f"async-{name}" for name in ("stream", "fail-late", "events")}
"""What a stream is called in ASGI: Django reads one that is made in a thread to its end before it sends it."""


def renamed(app: Any, names: dict[str, str]) -> Any:
    """The ASGI application with other names for its views."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        entrance, _, action = scope["path"].rpartition("/")
        await app({**scope, "path": f"{entrance}/{names.get(action, action)}"}, receive, send)

    return call
