"""requests: every rule for clients, instrumented or through the adapter; and off again."""

from __future__ import annotations

from typing import Any

import pytest
import requests

import synthetic
from synthetic_requests import SyntheticAdapter, integration
from tests.contract.client_switches import InsideOpenTelemetry, Instrumented, SwitchedContract
from tests.products import requests as product
from tests.products import urllib3
from tests.support.clients import OURS, has_no_marker, run_script, token_of
from tests.support.recording_server import RecordingServer
from tests.support.switches import same

ORIGINAL = product.patched()


class RequestsContract(SwitchedContract):
    product = product
    original = ORIGINAL
    library_error = requests.RequestException
    our_part = "synthetic_requests._headers.depart"
    instrumentors = (product.instrumentor, urllib3.instrumentor)  # type: ignore[assignment]

    @pytest.fixture
    def connect(self) -> Any:
        return product.Client


class WithAdapter(RequestsContract):
    @pytest.fixture
    def connect(self) -> Any:
        return lambda headers=None: product.Client(headers, SyntheticAdapter())


class TestInstrumented(RequestsContract, Instrumented):
    pass


class TestInstrumentedInsideOpenTelemetry(RequestsContract, InsideOpenTelemetry):
    pass


class TestMountedAdapter(WithAdapter):
    pass


class TestBoth(WithAdapter, Instrumented):
    """The adapter is mounted, and everything is instrumented as well."""


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


def test_after_uninstrument_no_marker_is_sent_and_the_original_is_back(server: RecordingServer) -> None:
    synthetic.instrument("requests")
    synthetic.instrument("requests")
    integration.instrument()
    assert not same(product.patched(), ORIGINAL)
    synthetic.uninstrument("requests")
    assert same(product.patched(), ORIGINAL)
    with synthetic.simulated(run="rush-hour"):
        requests.get(server.url())
    assert has_no_marker(server.only)


def test_instrument_and_uninstrument_can_be_repeated(server: RecordingServer) -> None:
    for _ in range(3):
        integration.instrument()
        with synthetic.simulated(run="rush-hour"):
            requests.get(server.url())
        integration.uninstrument()
        integration.uninstrument()
    assert len({token_of(request) for request in server.requests}) == 1
    assert same(product.patched(), ORIGINAL)


FORK = """
import os, sys
import requests, synthetic
now = [1_800_000_000.0]
synthetic.configure(lifetime=100, internal_hosts=["127.0.0.1"], clock=lambda: now[0])
synthetic.instrument("requests")
with synthetic.simulated(run="forked"):
    requests.get(sys.argv[1] + "parent")
    child = os.fork()
    if not child:
        now[0] += 80
        requests.get(sys.argv[1] + "child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    now[0] += 80
    requests.get(sys.argv[1] + "parent-later")
"""


def test_a_forked_child_sends_the_token_of_its_parent(server: RecordingServer, keys: dict[str, Any]) -> None:
    run_script(FORK, server.url(), keys=keys)
    parent, child, later = map(token_of, server.requests)
    assert [request.path for request in server.requests] == ["/parent", "/child", "/parent-later"]
    assert child == parent
    assert later != parent
