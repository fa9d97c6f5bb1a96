"""A small Django application, in this module, and how the tests call it."""

from __future__ import annotations

import asyncio
import io
import pickle
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.util import FileWrapper

from django.core.cache import cache
from django.db import transaction
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import Context, Engine, Template
from django.template.response import SimpleTemplateResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from django.views.decorators.cache import cache_page
from django.views.decorators.vary import vary_on_headers
from opentelemetry import baggage as otel_baggage
from opentelemetry import context

import synthetic
from synthetic.integration import VERDICT, current_verdict
from tests.products.django import OURS, configure

configure()

charged: list[str] = []
noted: list[Any] = []


@synthetic.guard("payment")
def charge() -> None:
    charged.append("charged")


def note(*_: object, **__: object) -> None:
    noted.append(current_verdict() and synthetic.is_synthetic())


# The views


def state(request: Any) -> JsonResponse:
    found = request.marker
    return JsonResponse({"run": found and found.run, "same": found == synthetic.current()})


async def async_state(request: Any) -> JsonResponse:
    return state(request)


SHARED = HttpResponse("User-agent: *", headers={"Cache-Control": "public, max-age=3600"})
"""One response for every request."""
SHARED.set_cookie("seen", "yes")


def book(request: Any) -> HttpResponse:
    charge()
    return HttpResponse("booked")


async def async_book(request: Any) -> HttpResponse:
    charge()
    return HttpResponse("booked")


def grouped(request: Any) -> HttpResponse:
    try:
        charge()
    except synthetic.EffectRefused as error:
        raise _Group(error) from None
    return HttpResponse("booked")


class _Group(Exception):
    """What an exception group is from Python 3.11 on."""

    def __init__(self, *exceptions: Exception) -> None:
        super().__init__(*exceptions)
        self.exceptions = exceptions


class Late(SimpleTemplateResponse):
    """It is rendered when the view has returned."""

    @property
    def rendered_content(self) -> str:
        note()
        if self.context_data:
            charge()
        return Template("{{ run }}", engine=Engine()).render(
            Context({"run": getattr(synthetic.current(), "run", None)})
        )


def rendered(request: Any) -> Late:
    return Late("", {"charges": True} if "charge" in request.GET else None)


def committing(request: Any) -> HttpResponse:
    with transaction.atomic():
        transaction.on_commit(note)
    return HttpResponse("committed")


def unverified(request: Any) -> HttpResponse:
    token = VERDICT.set(None)
    attached = context.attach(otel_baggage.set_baggage("synthetic-traffic", "forged", context.Context()))
    try:
        synthetic.is_synthetic()
    finally:
        context.detach(attached)
        VERDICT.reset(token)
    return HttpResponse("known")


def steps(request: Any) -> StreamingHttpResponse:
    def each() -> Iterator[bytes]:
        try:
            for _ in range(3):
                note()
                yield b"step"
        finally:
            note()

    return StreamingHttpResponse(each())


def charging_steps(request: Any) -> StreamingHttpResponse:
    def each() -> Iterator[bytes]:
        charge()
        yield b"step"

    return StreamingHttpResponse(each())


async def async_steps(request: Any) -> StreamingHttpResponse:
    async def each() -> AsyncIterator[bytes]:
        try:
            for _ in range(3):
                note()
                yield b"step"
        finally:
            note()

    return StreamingHttpResponse(each())


class NotingFile(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        note()
        return super().read(size)


def file(request: Any) -> FileResponse:
    return FileResponse(NotingFile(b"x" * 10_000))


pages: list[str] = []


def page(request: Any) -> HttpResponse:
    pages.append("simulated" if synthetic.is_synthetic() else "real")
    return HttpResponse(pages[-1])


async def endless(request: Any) -> HttpResponse:
    noted.append("started")
    try:
        await asyncio.Event().wait()
    finally:
        note()
    return HttpResponse("never")


urlpatterns = [
    *(path(view.__name__.replace("_", "-"), view) for view in [
        state, async_state, book, async_book, grouped, rendered, committing, endless, unverified, steps,
        charging_steps, async_steps, file, page,
    ]),
    path("shared", lambda request: SHARED),
    path("kept-apart", cache_page(60)(vary_on_headers("baggage")(page))),
]  # fmt: skip


def noting_middleware(get_response: Any) -> Any:
    def call(request: Any) -> Any:
        note()
        return get_response(request)

    return call


def pickling_middleware(get_response: Any) -> Any:
    def call(request: Any) -> Any:
        response = get_response(request)
        noted.append(pickle.dumps(response))
        return response

    return call


@contextmanager
def in_force() -> Iterator[None]:
    """The settings of this application, and nothing noted yet."""
    for seen in (charged, noted, pages):
        seen.clear()
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[OURS], SYNTHETIC_TRAFFIC={}):
        cache.clear()
        yield


def get(path: str, headers: Any = (), *, client: Client | None = None) -> Any:
    return (client or Client()).get(path, headers=dict(headers))


def aget(path: str, headers: Any = ()) -> Any:
    """From an event loop; what is left behind in its context would show up."""

    async def call() -> Any:
        response = await AsyncClient().get(path, headers=dict(headers))
        assert (current_verdict(), context.get_current()) == (None, {})
        return response

    return asyncio.run(call())


def called(app: Any, path: str, headers: Any = ()) -> bytes:
    body = opened(app, path, headers)
    try:
        return b"".join(body)
    finally:
        body.close()


def opened(app: Any, path: str, headers: Any = (), statuses: list[str] | None = None) -> Any:
    """The response body as a WSGI server gets it."""
    seen = [] if statuses is None else statuses
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "test", "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(), "wsgi.file_wrapper": FileWrapper,
        **{f"HTTP_{name.upper()}": value for name, value in headers},
    }  # fmt: skip
    return app(environ, lambda status, headers, exc_info=None: seen.append(status))
