"""Django's middleware beside OpenTelemetry's, on either side of it, in the settings and around the application."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider

import synthetic.asgi
import synthetic.wsgi
from tests.contract.web_beside_opentelemetry import BesideOpenTelemetry, check_real
from tests.products.django import OURS, built_with
from tests.products.django.reporting import STREAMS, renamed
from tests.support.entrances import asgi_entrances, wsgi_entrances
from tests.support.markers import marked
from tests.support.servers import environment, uvicorn_server, waitress_server
from tests.support.wire import Connection

Keys = dict[str, Any]
PROVIDER = TracerProvider()


def instrumented(build: Callable[[], Any], *middleware: str, position: int = 0) -> Any:
    """The application that ``build`` makes with this ``MIDDLEWARE``, and OpenTelemetry's at ``position``."""
    with built_with(middleware, {}):
        instrumentor = DjangoInstrumentor()
        instrumentor.instrument(tracer_provider=PROVIDER, middleware_position=position)
        try:
            return build()
        finally:
            instrumentor.uninstrument()


def arrangements(build: Callable[[], Any], wrapped: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "otel-ours": instrumented(build, OURS),
        "ours-otel": instrumented(build, OURS, position=1),
        "ours-otel-ours": instrumented(build, OURS, OURS, position=1),
        "wrapped-otel": wrapped(instrumented(build)),
        "wrapped-otel-ours": wrapped(instrumented(build, OURS)),
    }


NAMES = ["otel-ours", "ours-otel", "ours-otel-ours", "wrapped-otel", "wrapped-otel-ours"]


def wsgi() -> Any:
    apps = arrangements(get_wsgi_application, synthetic.wsgi.SyntheticTrafficMiddleware)
    return waitress_server(wsgi_entrances(apps))


def asgi() -> Any:
    apps = arrangements(get_asgi_application, synthetic.asgi.SyntheticTrafficMiddleware)
    return uvicorn_server(renamed(asgi_entrances(apps), STREAMS), http="h11", lifespan="off")


@pytest.fixture(scope="module", params=[wsgi, asgi], ids=["WSGI", "ASGI"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with request.param() as port:
        yield port


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestBesideOpenTelemetry(BesideOpenTelemetry):
    def test_the_request_after_a_marked_one_with_a_large_body_is_real(self, port: int, name: str, keys: Keys) -> None:
        synthetic.configure(keys=keys)
        with Connection(port) as connection:
            first = connection.request(f"/{name}/body", marked(keys), method="POST", body=b"x" * 300_000).json()
            assert (first["simulated"], first["length"]) == (True, 300_000)
            check_real(connection.request(f"/{name}/echo").json())


def test_uninstrumenting_opentelemetry_leaves_our_middleware_in_the_settings(keys: Keys) -> None:
    from django.conf import settings

    with built_with((OURS,), {}):
        before = list(settings.MIDDLEWARE)
        DjangoInstrumentor().instrument(tracer_provider=PROVIDER)
        assert settings.MIDDLEWARE[1:] == before
        DjangoInstrumentor().uninstrument()
        assert before == settings.MIDDLEWARE


SENTRY = """
import sentry_sdk
from tests.support import sentry

sentry.init()

import synthetic
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import baggage
from tests.products.django import OURS, asgi_application, wsgi_application
from tests.products.django.reporting import STREAMS, renamed
from tests.support.servers import uvicorn_server, waitress_server
from tests.support.wire import get

synthetic.configure(keys=(keys := shared_key()))
synthetic.instrument("logging")
token = mint(keys)
for server in (
    lambda: waitress_server(wsgi_application(OURS)),
    lambda: uvicorn_server(renamed(asgi_application(OURS), STREAMS), lifespan="off"),
):
    with server() as port:
        for action in ("echo", "async-echo", "stream"):
            for seen in get(port, f"/plain/{action}", baggage("sentry-sampled=true", entry(token))).lines():
                assert (seen["simulated"], seen["headers"]) == (True, {"baggage": entry(token)}), seen
            for seen in get(port, f"/plain/{action}", baggage("sentry-sampled=true")).lines():
                assert (seen["simulated"], seen["explicit"]) == (False, True), seen
assert sentry_sdk.get_client().get_integration("django") is not None
print("done")
"""


def test_with_sentry_each_request_has_its_own_verdict(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SENTRY], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "done\n", done.stderr
