"""http.client and urllib.request: every rule for clients, instrumented or with our own classes; and off again."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic_http_client import (
    ExternalRequestRefused,
    SyntheticHTTPConnection,
    SyntheticHTTPHandler,
    SyntheticHTTPSHandler,
    integration,
)
from tests.contract.client_switches import InsideOpenTelemetry, Instrumented, SwitchedContract
from tests.integrations.tunnels import certificate, tls_server
from tests.products import http_client as product
from tests.support.clients import OURS, THEIRS, has_no_marker, token_of
from tests.support.recording_server import RecordingServer
from tests.support.switches import by_opentelemetry, same

ORIGINAL = product.patched()


class StandardLibraryContract(SwitchedContract):
    product = product
    original = ORIGINAL
    our_part = "synthetic_http_client._out.depart"
    library_error = http.client.HTTPException


class Opener(StandardLibraryContract):
    @pytest.fixture
    def connect(self) -> Any:
        return product.OpenerClient


class TestOpener(Opener, Instrumented):
    pass


class TestInstrumentedInsideOpenTelemetry(Opener, InsideOpenTelemetry):
    pass


class TestHandlers(StandardLibraryContract):
    @pytest.fixture
    def connect(self) -> Any:
        return lambda headers=None: product.OpenerClient(headers, SyntheticHTTPHandler(), SyntheticHTTPSHandler())


class TestConnection(StandardLibraryContract, Instrumented):
    @pytest.fixture
    def connect(self) -> Any:
        return product.ConnectionClient

    # OpenTelemetry does not instrument http.client, and so sends nothing with it.
    test_opentelemetry_adds_no_marker_for_an_undeclared_host = None


class TestOwnConnection(StandardLibraryContract):
    @pytest.fixture
    def connect(self) -> Any:
        return lambda headers=None: product.ConnectionClient(headers, SyntheticHTTPConnection)

    test_opentelemetry_adds_no_marker_for_an_undeclared_host = None


class TestBoth(StandardLibraryContract, Instrumented):
    """The handlers are in the opener, and everything is instrumented as well."""

    @pytest.fixture
    def connect(self) -> Any:
        return lambda headers=None: product.OpenerClient(headers, SyntheticHTTPHandler())


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


def test_after_uninstrument_no_marker_is_sent_and_the_original_method_is_back(server: RecordingServer) -> None:
    for _ in range(2):
        synthetic.instrument("http-client")
        integration.instrument()
        with synthetic.simulated(run="rush-hour"):
            product.OpenerClient().get(server.url())
        integration.uninstrument()
        integration.uninstrument()
        synthetic.uninstrument("http-client")
        assert same(product.patched(), ORIGINAL)
    with synthetic.simulated(run="rush-hour"):
        product.OpenerClient().get(server.url("/off"))
    *on, off = server.requests
    assert len({token_of(request) for request in on}) == 1
    assert has_no_marker(off)


@pytest.mark.parametrize("order", ["ours theirs", "theirs ours"])
def test_instrumenting_in_either_order_with_opentelemetry_leaves_nothing_behind(
    server: RecordingServer, order: str
) -> None:
    theirs = by_opentelemetry(product.instrumentor)
    with theirs if order == "theirs ours" else nullcontext():
        synthetic.instrument("http-client")
        with theirs if order == "ours theirs" else nullcontext(), synthetic.simulated(run="rush-hour"):
            product.OpenerClient().get(server.url())
            synthetic.uninstrument("http-client")
    assert token_of(server.only)
    assert same(product.patched(), ORIGINAL)


def test_the_https_handler_sends_the_marker_with_the_tls_context_it_was_given(tmp_path: Path) -> None:
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
