"""Incoming requests to Django, configured by its settings only and with a wrapped application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

import synthetic.asgi
import synthetic.wsgi
from tests.matrix.cases import Hop, seen
from tests.matrix.hops.web import hop, sdk, uvicorn
from tests.products.django import OURS, configure, instrumentor
from tests.support.servers import waitress_server


def _contrib(*middleware: str) -> Callable[[], None]:
    def switch_on() -> None:
        sdk()
        configure(__name__, *middleware)
        instrumentor().instrument()

    return switch_on


def _wsgi(*middleware: str) -> Any:
    configure(__name__, *middleware)
    return get_wsgi_application()


def _asgi(*middleware: str) -> Any:
    configure(__name__, *middleware)
    return get_asgi_application()


def _view(request: Any) -> HttpResponse:
    return HttpResponse(seen())


def _stream(request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(_async_step() if hasattr(request, "scope") else _step())


def _step() -> Iterator[str]:
    yield seen()


async def _async_step() -> AsyncIterator[str]:
    yield seen()


urlpatterns = [path("", _view), path("streamed", _stream)]

HOPS: list[Hop] = [
    hop(f"Django {kind}{body}", "django", build, server, route, contrib=contrib)
    for kind, build, server, contrib in (
        ("WSGI", lambda: _wsgi(OURS), waitress_server, _contrib(OURS)),
        (
            "WSGI, wrapped",
            lambda: synthetic.wsgi.SyntheticTrafficMiddleware(_wsgi()),
            waitress_server,
            _contrib(),
        ),
        ("ASGI", lambda: _asgi(OURS), uvicorn, _contrib(OURS)),
        ("ASGI, wrapped", lambda: synthetic.asgi.SyntheticTrafficMiddleware(_asgi()), uvicorn, _contrib()),
    )
    for body, route in (("", "/"), (", streamed", "/streamed"))
]
