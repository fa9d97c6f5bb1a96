"""requests, while OpenTelemetry and Sentry instrument it as well."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic_requests import ExternalRequestRefused
from tests.contract.client_switches import OrderContract
from tests.products import requests as product
from tests.products import urllib3
from tests.support.clients import OURS, THEIRS, has_no_marker, run_script, token_of
from tests.support.recording_server import RecordingServer
from tests.support.servers import uvicorn_server
from tests.support.switches import by_opentelemetry


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.mark.parametrize("package", [product, urllib3], ids=["requests", "urllib3"])
@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.usefixtures("instrumented")
def test_the_marker_is_sent_once_and_only_to_declared_hosts_in_either_order_with_opentelemetry(
    server: RecordingServer, package: Any, ours_first: bool
) -> None:
    if not ours_first:
        synthetic.uninstrument("requests")
    with by_opentelemetry(package.instrumentor):
        synthetic.instrument("requests")
        with synthetic.simulated(run="rush-hour"):
            requests.get(server.url())
            with pytest.raises(ExternalRequestRefused):
                requests.get(server.url(host=THEIRS))
        synthetic.uninstrument("requests")
    assert token_of(server.only)


class TestInAnyOrder(OrderContract):
    product = product


# Beside Sentry

SENTRY = """
import sys
import requests, sentry_sdk, synthetic
from tests.support import sentry

first, url, next_hop = sys.argv[1:]
if first == "ours":
    synthetic.instrument("requests")
sentry.init()
if first == "otel":
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    RequestsInstrumentor().instrument()
synthetic.instrument("requests")
with sentry_sdk.start_transaction(name="ride"), synthetic.simulated(run="rush-hour"):
    requests.get(url)
    print(requests.get(next_hop).text)
with sentry_sdk.start_transaction(name="ride"), synthetic.real():
    requests.get(url)
    print(requests.get(next_hop).text)
"""


@pytest.mark.parametrize("first", ["ours", "sentry", "otel"])
def test_the_marker_is_sent_once_beside_the_baggage_of_another_sdk(
    server: RecordingServer, keys: dict[str, Any], first: str
) -> None:
    """Sentry does: our entry is there once all the same, and the next service finds it."""
    pytest.importorskip("sentry_sdk")

    def tell(request: Request) -> JSONResponse:
        marker = synthetic.current()
        return JSONResponse({"run": marker and marker.run, "lines": len(request.headers.getlist("baggage"))})

    with uvicorn_server(SyntheticTrafficMiddleware(Starlette(routes=[Route("/", tell)]))) as port:
        seen = run_script(SENTRY, first, server.url(), f"http://{OURS}:{port}/", keys=keys)
    simulated, real = (json.loads(line) for line in seen.splitlines())
    assert (simulated["run"], real["run"]) == ("rush-hour", None)
    marked, unmarked = server.requests
    assert token_of(marked)
    assert has_no_marker(unmarked)
    assert any("sentry-" in line for line in marked.values("baggage"))
    assert any("sentry-" in line for line in unmarked.values("baggage"))
