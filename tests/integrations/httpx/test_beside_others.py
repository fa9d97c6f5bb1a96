"""httpx and httpx2 beside OpenTelemetry and Sentry, which write the same header, and beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.products.httpx import Product
from tests.support.clients import OURS, THEIRS, has_no_marker, run_script, token_of
from tests.support.recording_server import RecordingServer
from tests.support.servers import uvicorn_server
from tests.support.switches import same
from tests.support.versions import SENTRY_BAGGAGE, skip_before


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture
def put_back(product: Product) -> Iterator[None]:
    """Whatever a test does to the library: at its end everything is the original."""
    before = product.patched()
    yield
    assert same(product.patched(), before)


# On and off


@pytest.mark.usefixtures("put_back")
def test_instrument_and_uninstrument_can_be_repeated(product: Product, server: RecordingServer) -> None:
    original = product.patched()
    with product.library.Client(transport=product.transport()) as client:
        for _ in range(3):
            product.ours.integration.instrument()
            synthetic.instrument(product.NAME)
            once = product.patched()
            product.ours.integration.instrument()
            assert same(product.patched(), once)
            assert not same(once, original)
            with synthetic.simulated(run="rush-hour"):
                client.get(server.url())
            synthetic.uninstrument(product.NAME)
            product.ours.integration.uninstrument()
            assert same(product.patched(), original)
        with synthetic.simulated(run="rush-hour"):
            client.get(server.url())
    assert [has_no_marker(request) for request in server.requests] == [False, False, False, True]


@pytest.mark.parametrize(
    "steps",
    [
        ("theirs on", "ours on", "theirs off", "ours off", "ours on", "ours off"),
        ("theirs on", "ours on", "ours off", "theirs off", "ours on", "ours off"),
        ("ours on", "theirs on", "ours off", "theirs off", "ours on", "ours off"),
        ("ours on", "theirs on", "ours off", "ours on", "theirs off", "ours off"),
    ],
)
@pytest.mark.usefixtures("put_back")
def test_ours_is_on_from_instrument_to_uninstrument_whatever_opentelemetry_does(
    product: Product, server: RecordingServer, steps: tuple[str, ...]
) -> None:
    theirs = product.instrumentor()
    actions = {
        "ours on": product.ours.integration.instrument,
        "ours off": product.ours.integration.uninstrument,
        "theirs on": theirs.instrument,
        "theirs off": theirs.uninstrument,
    }
    is_on = False
    for step in steps:
        actions[step]()
        is_on = step == "ours on" or (is_on and step != "ours off")
        with product.library.Client(transport=product.transport()) as client, synthetic.simulated(run="rush-hour"):
            if is_on:
                with pytest.raises(product.ours.ExternalRequestRefused):
                    client.get(server.url(host=THEIRS))
                client.get(server.url())
                assert token_of(server.requests[-1]), step
            else:
                assert client.get(server.url(host=THEIRS)).status_code == 200, step


@pytest.mark.usefixtures("put_back")
def test_uninstrument_keeps_a_wrapper_of_others_and_sends_no_marker_below_it(
    product: Product, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    with monkeypatch.context() as theirs:
        product.ours.integration.instrument()
        below = product.library.Client._send_single_request

        def wrapper(self: Any, request: Any) -> Any:
            called.append(request.method)
            return below(self, request)

        wrapper.__wrapped__ = below  # type: ignore[attr-defined]
        theirs.setattr(product.library.Client, "_send_single_request", wrapper)
        with product.library.Client(transport=product.transport()) as client, synthetic.simulated(run="rush-hour"):
            client.get(server.url())
            product.ours.integration.uninstrument()
            client.get(server.url())
            product.ours.integration.instrument()
            client.get(server.url())
    product.ours.integration.uninstrument()
    assert called == ["GET"] * 3
    assert [has_no_marker(request) for request in server.requests] == [False, True, False]


# Beside Sentry

SENTRY = """
import importlib, sys
import sentry_sdk, synthetic
from tests.support import sentry

name, first, url, next_hop = sys.argv[1:]
library = importlib.import_module(name)
if first == "ours":
    synthetic.instrument(name)
sentry.init()
if first == "otel":
    instrumentation = importlib.import_module("opentelemetry.instrumentation.httpx")
    getattr(instrumentation, f"{name.upper()}ClientInstrumentor")().instrument()
synthetic.instrument(name)
with sentry_sdk.start_transaction(name="ride"), synthetic.simulated(run="rush-hour"):
    library.get(url)
    print(library.get(next_hop).text)
with sentry_sdk.start_transaction(name="ride"), synthetic.real():
    library.get(url)
    print(library.get(next_hop).text)
"""


@pytest.mark.parametrize(
    ("product", "first"),
    [("httpx", "sentry"), ("httpx", "otel"), ("httpx2", "ours"), ("httpx2", "sentry")],
    indirect=["product"],
)
def test_the_marker_is_sent_once_beside_the_baggage_of_another_sdk(
    product: Product, server: RecordingServer, keys: dict[str, Any], first: str
) -> None:
    """Sentry does: our entry is there once all the same, and the next service finds it."""
    if product.NAME == "httpx2":
        skip_before(*SENTRY_BAGGAGE)
    if first == "otel":
        product.instrumentor()

    def tell(request: Request) -> JSONResponse:
        marker = synthetic.current()
        return JSONResponse({"run": marker and marker.run, "lines": len(request.headers.getlist("baggage"))})

    with uvicorn_server(SyntheticTrafficMiddleware(Starlette(routes=[Route("/", tell)]))) as port:
        seen = run_script(SENTRY, product.NAME, first, server.url(), f"http://{OURS}:{port}/", keys=keys)
    simulated, real = (json.loads(line) for line in seen.splitlines())
    assert (simulated["run"], real["run"]) == ("rush-hour", None)
    marked, unmarked = server.requests
    assert token_of(marked)
    assert has_no_marker(unmarked)
    assert any("sentry-" in line for line in unmarked.values("baggage"))
    if first != "otel":  # which writes over Sentry's entries where its own context has baggage, with us or without
        assert any("sentry-" in line for line in marked.values("baggage"))


# Beside each other

ALONE = """
import sys
sys.modules[sys.argv[2]] = None
import synthetic
assert synthetic.instrument(sys.argv[1]) == (sys.argv[1],)
assert sys.argv[1] in sys.modules
try:
    synthetic.instrument(sys.argv[2])
except synthetic.errors.ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize(("present", "absent"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_each_library_can_be_instrumented_without_the_other(present: str, absent: str) -> None:
    pytest.importorskip(present)
    assert f'pip install "synthetic-traffic[{absent}]"' in run_script(ALONE, present, absent)


ALIASED = """
import sys
import httpx2
if not hasattr(httpx2, "alias_httpx"):
    print("httpx2 of this version has no alias")
    sys.exit()
httpx2.alias_httpx()
original = httpx2.Client._send_single_request
import synthetic
synthetic.configure(internal_hosts=["127.0.0.1"])
synthetic.instrument("httpx", "httpx2")
import httpx
assert httpx is httpx2
with synthetic.simulated(run="rush-hour"):
    httpx.get(sys.argv[1])
synthetic.uninstrument("httpx2")
synthetic.uninstrument("httpx")
assert httpx2.Client._send_single_request is original
"""


def test_the_marker_is_sent_once_where_httpx_is_an_alias_of_httpx2(
    server: RecordingServer, keys: dict[str, Any]
) -> None:
    pytest.importorskip("httpx2")
    if printed := run_script(ALIASED, server.url(), keys=keys):
        pytest.skip(printed)
    assert token_of(server.only)
