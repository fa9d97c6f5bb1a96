"""Django's middleware beside OpenTelemetry's, on either side of it, in the settings and around the application."""

from __future__ import annotations

import logging
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
from tests.products.django import OURS, built_with
from tests.products.django.reporting import STREAMS, renamed
from tests.support.entrances import asgi_entrances, wsgi_entrances
from tests.support.keys import entry, mint
from tests.support.markers import STRANGERS, baggage, forged, marked
from tests.support.servers import environment, uvicorn_server, waitress_server
from tests.support.wire import Connection, Response, get

Keys = dict[str, Any]
PROVIDER = TracerProvider()
TRACE = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


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


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def check_real(seen: Any) -> None:
    assert (seen["simulated"], seen["explicit"], seen["headers"]) == (False, True, {})
    assert "synthetic-traffic" not in seen["otel"]
    assert "synthetic-traffic" not in (seen["injected"] or "")


def check_simulated(seen: Any, token: str) -> None:
    assert (seen["simulated"], seen["explicit"]) == (True, True)
    assert seen["headers"] == {"baggage": entry(token)}
    assert seen["otel"]["synthetic-traffic"] == token
    assert seen["injected"].split(",")[0] == entry(token)
    assert seen["injected"].count("synthetic-traffic") == 1


def seen_by(response: Response) -> list[Any]:
    assert response.status == 200
    return response.lines()


@pytest.mark.parametrize("action", ["echo", "async-echo", "stream"])
def test_a_good_marker_is_seen_and_sent_on(port: int, name: str, keys: Keys, action: str) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys)
    for headers in (baggage(f"user=7,{entry(token)}"), baggage("user=7", entry(token))):
        for seen in seen_by(get(port, f"/{name}/{action}", [*headers, TRACE])):
            check_simulated(seen, token)


@pytest.mark.parametrize("action", ["echo", "stream"])
def test_a_forged_marker_is_refused(port: int, name: str, keys: Keys, action: str) -> None:
    synthetic.configure(keys=keys)
    assert get(port, f"/{name}/{action}", [*forged(keys), TRACE]).json()["reason"] == "bad-signature"


@pytest.mark.parametrize("action", ["echo", "async-echo", "stream"])
@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stripped_entry_does_not_come_back(port: int, name: str, keys: Keys, stranger: str, action: str) -> None:
    synthetic.configure(keys=keys, on_unverified="strip")
    for seen in seen_by(get(port, f"/{name}/{action}", [*baggage(f"user=7,{stranger}"), TRACE])):
        check_real(seen)
        assert seen["baggage"] == ["user=7"]


@pytest.mark.parametrize("action", ["echo", "async-echo", "stream"])
def test_real_and_marked_requests_in_turn_have_each_their_own_verdict(
    port: int, name: str, keys: Keys, action: str
) -> None:
    synthetic.configure(keys=keys)
    with Connection(port) as connection:
        for number in range(6):
            headers = marked(keys) if number % 2 else baggage("user=7")
            for seen in seen_by(connection.request(f"/{name}/{action}", [*headers, TRACE])):
                assert seen["simulated"] is bool(number % 2)
        for seen in seen_by(connection.request(f"/{name}/{action}")):
            check_real(seen)


def test_the_request_after_a_marked_one_with_a_large_body_is_real(port: int, name: str, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    with Connection(port) as connection:
        first = connection.request(f"/{name}/body", marked(keys), method="POST", body=b"x" * 300_000).json()
        assert (first["simulated"], first["length"]) == (True, 300_000)
        check_real(connection.request(f"/{name}/echo").json())


def test_instrumentation_that_is_taken_off_leaves_ours_in_the_settings(keys: Keys) -> None:
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
