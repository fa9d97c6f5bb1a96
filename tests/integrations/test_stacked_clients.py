"""Clients on top of each other: requests on urllib3 on http.client, with OpenTelemetry's and Sentry's on all of them.

Whichever of them are instrumented, one marker goes out, and one decision is on the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import combinations
from typing import Any

import pytest
import requests
from opentelemetry import baggage, context

import synthetic
from synthetic import ledger
from synthetic.errors import ExternalCallRefused
from tests.products import http_client
from tests.products import requests as requests_product
from tests.products import urllib3 as urllib3_product
from tests.support.clients import OURS, THEIRS, brought_by_opentelemetry, has_no_marker, run_script, token_of
from tests.support.keys import mint
from tests.support.recording_server import Answer, RecordingServer
from tests.support.switches import by_opentelemetry, instrumented

LAYERS = ("requests", "urllib3", "http-client")
SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(LAYERS, size)]


CALLS: dict[Callable[..., int], tuple[str, ...]] = {
    requests_product.get: LAYERS,
    urllib3_product.get: LAYERS[1:],
    http_client.get: LAYERS[2:],
}
STACKS = [(call, subset) for call, layers in CALLS.items() for subset in SUBSETS if set(subset) & set(layers)]


def by_all_of_opentelemetry() -> AbstractContextManager[None]:
    return by_opentelemetry(*(product.instrumentor for product in (requests_product, urllib3_product, http_client)))


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture(params=["alone", "inside", "outside"])
def switched_on(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Switches ours on: alone, when OpenTelemetry's is on already, or before that."""
    with ExitStack() as undo:

        def switch_on(*names: str) -> None:
            if request.param == "inside":
                undo.enter_context(by_all_of_opentelemetry())
            synthetic.instrument(*names)
            undo.callback(synthetic.uninstrument, *names)
            if request.param == "outside":
                undo.enter_context(by_all_of_opentelemetry())

        yield switch_on


@pytest.mark.parametrize(("call", "names"), STACKS)
def test_one_marker_goes_out_at_each_hop(
    server: RecordingServer, switched_on: Callable[..., None], call: Any, names: tuple[str, ...]
) -> None:
    switched_on(*names)
    server.redirect("/", server.url("/next"))
    with ledger.recorded() as outcomes:
        with synthetic.simulated(run="rush-hour"):
            assert call(server.url(), {"baggage": "a=1"}) == 200
        assert call(server.url(), {"baggage": "a=1"}) == 200
    simulated, real = server.requests[:2], server.requests[2:]
    assert len({token_of(request) for request in simulated}) == 1
    assert all(len(request.values("baggage")) == 1 for request in simulated)
    assert [request.values("baggage") for request in real] == [["a=1"]] * 2
    assert not outcomes


@pytest.mark.parametrize(("call", "names"), STACKS)
def test_a_refusal_is_raised_once_and_the_call_is_not_retried(
    server: RecordingServer, switched_on: Callable[..., None], call: Any, names: tuple[str, ...]
) -> None:
    switched_on(*names)
    with (
        ledger.recorded() as outcomes,
        synthetic.simulated(run="rush-hour"),
        pytest.raises(ExternalCallRefused) as refused,
    ):
        call(server.url(host=THEIRS))
    assert refused.value.host == THEIRS
    assert [(outcome.effect, outcome.action) for outcome in outcomes] == [("external-call", "refuse")]
    assert not server.requests


@pytest.mark.parametrize(("call", "names"), STACKS)
def test_an_allowed_call_is_one_outcome_and_carries_no_marker(
    server: RecordingServer, switched_on: Callable[..., None], keys: dict[str, Any], call: Any, names: tuple[str, ...]
) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    switched_on(*names)
    server.redirect("/", server.url("/away", host=THEIRS))
    server.redirect("/away", server.url("/back"))
    with ledger.recorded() as outcomes, brought_by_opentelemetry(mint(keys)):
        attached = context.attach(baggage.set_baggage("tenant", "7"))
        try:
            assert call(server.url()) == 200
        finally:
            context.detach(attached)
    assert [(request.path, has_no_marker(request)) for request in server.requests] == [
        ("/", False),
        ("/away", True),
        ("/back", False),
    ]
    assert [(outcome.effect, outcome.action) for outcome in outcomes] == [("external-call", "allow")]


@pytest.mark.parametrize("names", SUBSETS)
def test_a_streamed_body_is_generated_under_the_verdict(server: RecordingServer, names: tuple[str, ...]) -> None:
    seen: list[bool] = []

    def steps() -> Iterator[bytes]:
        seen.append(synthetic.is_synthetic())
        yield b"one"
        yield b"two"

    with instrumented(*names), synthetic.simulated(run="rush-hour"):
        requests.post(server.url(), data=steps(), timeout=60)
        requests.get(server.url(), timeout=60)
    assert (seen, server.requests[0].body) == ([True], b"onetwo")
    assert len({token_of(request) for request in server.requests}) == 1


SENTRY = """
import sys
import requests, sentry_sdk, synthetic, urllib.request, urllib3
from tests.support import sentry

first, url = sys.argv[1:]
names = ("requests", "urllib3", "http-client")
if first == "ours":
    synthetic.instrument(*names)
sentry.init()
if first == "otel":
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.instrumentation.urllib import URLLibInstrumentor
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
    for instrumentor in (RequestsInstrumentor, URLLibInstrumentor, URLLib3Instrumentor):
        instrumentor().instrument()
synthetic.instrument(*names)
for work in (synthetic.simulated(run="rush-hour"), synthetic.real()):
    with sentry_sdk.start_transaction(name="ride"), work:
        requests.get(url)
        urllib3.PoolManager().request("GET", url)
        urllib.request.urlopen(url).close()
"""


@pytest.mark.parametrize("first", ["ours", "sentry", "otel"])
def test_sentrys_baggage_stands_in_one_line_behind_the_marker(
    server: RecordingServer, keys: dict[str, Any], first: str
) -> None:
    pytest.importorskip("sentry_sdk")
    server.answers["/"] = Answer()
    run_script(SENTRY, first, server.url(), keys=keys)
    simulated, real = server.requests[:3], server.requests[3:]
    assert (len(simulated), len(real)) == (3, 3)
    assert len({token_of(request) for request in simulated}) == 1
    for request in simulated:
        (line,) = request.values("baggage")
        assert ",sentry-" in line
    assert all(has_no_marker(request) for request in real)
    assert all("sentry-" in str(request.values("baggage")) for request in real)
