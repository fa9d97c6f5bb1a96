"""http.client and urllib.request: every rule for clients, instrumented or with our own classes; and off again."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_http_client import (
    ExternalRequestRefused,
    SyntheticHTTPConnection,
    SyntheticHTTPHandler,
    SyntheticHTTPSHandler,
    integration,
)
from tests.contract.client import ClientContract
from tests.integrations.tunnels import certificate, tls_server
from tests.support.clients import OURS, THEIRS, has_no_marker, token_of
from tests.support.recording_server import RecordingServer

ORIGINAL = http.client.HTTPConnection.endheaders


@contextmanager
def by_opentelemetry() -> Iterator[None]:
    """OpenTelemetry's instrumentation of urllib, switched on."""
    module = pytest.importorskip("opentelemetry.instrumentation.urllib")
    instrumentor = module.URLLibInstrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()


class OpenerClient:
    """urllib.request, with redirects."""

    def __init__(self, headers: Mapping[str, Any] | None = None, *handlers: Any) -> None:
        self.opener = urllib.request.build_opener(*handlers)
        self.headers = dict(headers or {})

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        request = urllib.request.Request(url, headers={**self.headers, **(headers or {})})
        with self.opener.open(request, timeout=60) as response:
            return int(response.status)


class ConnectionClient:
    """http.client itself, whose caller follows redirects by hand."""

    def __init__(self, headers: Mapping[str, Any] | None = None, kind: Any = http.client.HTTPConnection) -> None:
        self.headers = dict(headers or {})
        self.kind = kind

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        parts = urlsplit(url)
        connection = self.kind(parts.hostname, parts.port, timeout=60)
        try:
            connection.request("GET", parts.path, headers={**self.headers, **(headers or {})})
            with connection.getresponse() as response:
                location = response.headers["Location"]
                status = int(response.status)
        finally:
            connection.close()
        return self.get(urljoin(url, location), headers) if location else status


class StandardLibraryContract(ClientContract):
    our_part = "synthetic_http_client._out.depart"

    library_error = http.client.HTTPException

    @pytest.fixture
    def opentelemetry(self) -> Iterator[None]:
        with by_opentelemetry():
            yield


class TestOpener(StandardLibraryContract):
    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        synthetic.instrument("http-client")
        yield
        synthetic.uninstrument("http-client")
        assert http.client.HTTPConnection.endheaders is ORIGINAL

    @pytest.fixture
    def connect(self, _instrumented: None) -> Any:
        return OpenerClient


class TestInstrumentedInsideOpenTelemetry(TestOpener):
    """OpenTelemetry's instrumentation has wrapped urllib first."""

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with by_opentelemetry():
            synthetic.instrument("http-client")
            yield
            synthetic.uninstrument("http-client")

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on already."""

    keeps_foreign = False


class TestHandlers(StandardLibraryContract):
    @pytest.fixture
    def connect(self) -> Any:
        return lambda headers=None: OpenerClient(headers, SyntheticHTTPHandler(), SyntheticHTTPSHandler())


class TestConnection(TestOpener):
    @pytest.fixture
    def connect(self, _instrumented: None) -> Any:
        return ConnectionClient

    # OpenTelemetry does not instrument http.client, and so sends nothing with it.
    test_opentelemetry_adds_no_marker_for_an_undeclared_host = None


class TestOwnConnection(StandardLibraryContract):
    @pytest.fixture
    def connect(self) -> Any:
        return lambda headers=None: ConnectionClient(headers, SyntheticHTTPConnection)

    test_opentelemetry_adds_no_marker_for_an_undeclared_host = None


class TestBoth(TestOpener):
    """The handlers are in the opener, and everything is instrumented as well."""

    @pytest.fixture
    def connect(self, _instrumented: None) -> Any:
        return lambda headers=None: OpenerClient(headers, SyntheticHTTPHandler())


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


def test_after_uninstrument_nothing_is_sent_and_the_method_is_the_original(server: RecordingServer) -> None:
    for _ in range(2):
        synthetic.instrument("http-client")
        integration.instrument()
        with synthetic.simulated(run="rush-hour"):
            OpenerClient().get(server.url())
        integration.uninstrument()
        integration.uninstrument()
        synthetic.uninstrument("http-client")
        assert http.client.HTTPConnection.endheaders is ORIGINAL
    with synthetic.simulated(run="rush-hour"):
        OpenerClient().get(server.url("/off"))
    *on, off = server.requests
    assert len({token_of(request) for request in on}) == 1
    assert has_no_marker(off)


@pytest.mark.parametrize("order", ["ours theirs", "theirs ours"])
def test_switched_on_and_off_in_either_order_with_opentelemetry_nothing_is_left(
    server: RecordingServer, order: str
) -> None:
    opened = urllib.request.OpenerDirector.open
    with by_opentelemetry() if order == "theirs ours" else nullcontext():
        synthetic.instrument("http-client")
        with by_opentelemetry() if order == "ours theirs" else nullcontext(), synthetic.simulated(run="rush-hour"):
            OpenerClient().get(server.url())
            synthetic.uninstrument("http-client")
    assert token_of(server.only)
    assert http.client.HTTPConnection.endheaders is ORIGINAL
    assert urllib.request.OpenerDirector.open is opened


def test_over_tls_the_handler_sends_the_marker_with_the_context_that_it_was_given(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    opener = urllib.request.build_opener(SyntheticHTTPSHandler(context=ssl.create_default_context(cafile=str(file))))
    with tls_server(file) as server:
        url = f"https://{OURS}:{server.port}/"
        with synthetic.simulated(run="rush-hour"):
            opener.open(url, timeout=60).close()
            with pytest.raises(ExternalRequestRefused):
                opener.open(f"https://{THEIRS}:{server.port}/", timeout=60)
        opener.open(url, timeout=60).close()
        with pytest.raises(urllib.error.URLError, match="certificate verify failed"):
            urllib.request.build_opener(SyntheticHTTPSHandler()).open(url, timeout=60)
    first, second = server.requests
    assert token_of(first)
    assert has_no_marker(second)
