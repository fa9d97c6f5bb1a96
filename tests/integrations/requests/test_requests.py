"""requests: every rule for clients, instrumented or through the adapter; and off again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

import synthetic
from synthetic_requests import SyntheticAdapter, integration
from tests.contract.client import ClientContract
from tests.support.clients import OURS, has_no_marker, run_script, token_of
from tests.support.otel_clients import by_opentelemetry
from tests.support.recording_server import RecordingServer

ORIGINAL = requests.Session.get_adapter


class SessionClient:
    def __init__(self, headers: Mapping[str, Any] | None = None, adapter: HTTPAdapter | None = None) -> None:
        self.session = requests.Session()
        self.session.headers.update(headers or {})
        if adapter is not None:
            self.session.mount("http://", adapter)

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        return self.session.get(url, headers=headers, timeout=60).status_code


class RequestsContract(ClientContract):
    library_error = requests.RequestException
    our_part = "synthetic_requests._headers.depart"

    @pytest.fixture
    def opentelemetry(self) -> Iterator[None]:
        with by_opentelemetry("requests", "urllib3"):
            yield


class TestInstrumented(RequestsContract):
    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        synthetic.instrument("requests")
        yield
        synthetic.uninstrument("requests")
        assert requests.Session.get_adapter is ORIGINAL

    @pytest.fixture
    def connect(self, _instrumented: None) -> Any:
        return SessionClient


class TestInstrumentedInsideOpenTelemetry(TestInstrumented):
    """OpenTelemetry's instrumentation has wrapped requests first."""

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with by_opentelemetry("requests", "urllib3"):
            synthetic.instrument("requests")
            yield
            synthetic.uninstrument("requests")

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on already."""

    keeps_foreign = False


class TestMountedAdapter(RequestsContract):
    @pytest.fixture
    def connect(self) -> Any:
        return lambda headers=None: SessionClient(headers, SyntheticAdapter())


class TestBoth(RequestsContract):
    """The adapter is mounted, and everything is instrumented as well."""

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        synthetic.instrument("requests")
        yield
        synthetic.uninstrument("requests")

    @pytest.fixture
    def connect(self, _instrumented: None) -> Any:
        return lambda headers=None: SessionClient(headers, SyntheticAdapter())


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


def test_after_uninstrument_nothing_is_sent_and_the_way_out_is_the_original(server: RecordingServer) -> None:
    synthetic.instrument("requests")
    synthetic.instrument("requests")
    integration.instrument()
    assert requests.Session.get_adapter is not ORIGINAL
    synthetic.uninstrument("requests")
    assert requests.Session.get_adapter is ORIGINAL
    with synthetic.simulated(run="rush-hour"):
        requests.get(server.url())
    assert has_no_marker(server.only)


def test_instrument_and_its_undoing_can_be_repeated(server: RecordingServer) -> None:
    for _ in range(3):
        integration.instrument()
        with synthetic.simulated(run="rush-hour"):
            requests.get(server.url())
        integration.uninstrument()
        integration.uninstrument()
    assert len({token_of(request) for request in server.requests}) == 1
    assert requests.Session.get_adapter is ORIGINAL


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


def test_a_forked_child_does_not_sign_anew(server: RecordingServer, keys: dict[str, Any]) -> None:
    run_script(FORK, server.url(), keys=keys)
    parent, child, later = map(token_of, server.requests)
    assert [request.path for request in server.requests] == ["/parent", "/child", "/parent-later"]
    assert child == parent
    assert later != parent
