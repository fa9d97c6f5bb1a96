"""urllib3: every rule for clients, instrumented or with pools of ours; and off again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from urllib3._collections import HTTPHeaderDict
from urllib3.connectionpool import HTTPConnectionPool

import synthetic
from synthetic import ledger
from synthetic_urllib3 import ExternalRequestRefused, integration
from tests.contract.client_switches import InsideOpenTelemetry, Instrumented, OrderContract, SwitchedContract
from tests.integrations.tunnels import certificate, tls_server, tunnels_to
from tests.products import urllib3 as product
from tests.support.clients import OURS, THEIRS, brought_by_opentelemetry, has_no_marker, token_of
from tests.support.keys import entry, mint
from tests.support.recording_server import Answer, Recorded, RecordingServer
from tests.support.switches import instrumented, same

ORIGINAL = product.patched()


class Urllib3Contract(SwitchedContract):
    product = product
    original = ORIGINAL
    our_part = "synthetic_urllib3._out.depart"
    library_error = urllib3.exceptions.HTTPError

    @pytest.fixture
    def connect(self) -> Any:
        return product.Client


class Covered(Urllib3Contract):
    @pytest.fixture
    def connect(self) -> Any:
        return lambda headers=None: product.Client(headers, covered=True)


class TestInstrumented(Urllib3Contract, Instrumented):
    pass


class TestInstrumentedInsideOpenTelemetry(Urllib3Contract, InsideOpenTelemetry):
    @pytest.fixture
    def connect(self) -> Any:
        # In a plain dictionary it would leave a caller's "Baggage" beside its own "baggage".
        return lambda headers=None: product.Client(headers, kind=HTTPHeaderDict)


class TestCovered(Covered):
    pass


class TestBoth(Covered, Instrumented):
    """The manager is covered, and everything is instrumented as well."""


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture
def on() -> Iterator[None]:
    with instrumented("urllib3"):
        yield


@pytest.fixture(params=["real", "simulated"])
def either_work(request: pytest.FixtureRequest, on: None) -> Iterator[str]:
    with synthetic.real() if request.param == "real" else synthetic.simulated(run="rush-hour"):
        yield request.param


def test_after_uninstrument_no_marker_is_sent_and_the_original_is_back(server: RecordingServer) -> None:
    for _ in range(2):
        synthetic.instrument("urllib3")
        integration.instrument()
        with synthetic.simulated(run="rush-hour"):
            product.Client().get(server.url())
        integration.uninstrument()
        synthetic.uninstrument("urllib3")
        assert same(product.patched(), ORIGINAL)
    with synthetic.simulated(run="rush-hour"):
        product.Client().get(server.url("/off"))
    *on, off = server.requests
    assert len({token_of(request) for request in on}) == 1
    assert has_no_marker(off)


class TestInAnyOrder(OrderContract):
    product = product


# Pools, proxies, retries


@pytest.mark.usefixtures("on")
def test_a_pool_without_a_manager_is_covered_and_its_headers_are_not_changed(server: RecordingServer) -> None:
    pool = urllib3.HTTPConnectionPool(OURS, server.port, headers={"Baggage": "a=1"})
    own = HTTPHeaderDict({"baggage": "b=1"})
    own.add("baggage", "c=1")
    with synthetic.simulated(run="rush-hour"):
        pool.request("GET", "/")
        pool.urlopen("GET", "/", headers=own)
        token = synthetic.headers()["baggage"]
    pool.request("GET", "/")
    assert [request.values("baggage") for request in server.requests] == [
        [f"{token},a=1"],
        [f"{token},b=1,c=1"],
        ["a=1"],
    ]
    assert pool.headers == {"Baggage": "a=1"}
    assert own.getlist("baggage") == ["b=1", "c=1"]


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("simulated", [True, False])
def test_a_call_through_a_proxy_is_decided_by_the_host_of_its_url(
    server: RecordingServer, keys: dict[str, Any], simulated: bool
) -> None:
    synthetic.configure(keys=keys, internal_hosts=["payments"])
    manager = urllib3.ProxyManager(server.url())
    with synthetic.simulated(run="rush-hour") if simulated else synthetic.real():
        manager.request("GET", "http://payments/charges")
        if simulated:
            with pytest.raises(ExternalRequestRefused) as refused:
                manager.request("GET", "http://api.vendor.example/")
            assert refused.value.host == "api.vendor.example"
    assert server.only.path == "http://payments/charges"
    assert has_no_marker(server.only) is not simulated


@pytest.mark.usefixtures("on")
def test_a_call_without_a_proxy_is_decided_by_the_host_of_the_pool(
    server: RecordingServer, keys: dict[str, Any]
) -> None:
    theirs = urllib3.HTTPConnectionPool(THEIRS, server.port)
    ours = urllib3.HTTPConnectionPool(OURS, server.port)
    server.redirect("/back", server.url("/"))
    with synthetic.simulated(run="rush-hour"):
        with pytest.raises(ExternalRequestRefused) as refused:
            theirs.urlopen("GET", server.url("/"), assert_same_host=False)
        assert refused.value.host == THEIRS
        ours.urlopen("GET", server.url("/", host=THEIRS), assert_same_host=False)
        synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
        theirs.urlopen("GET", server.url("/"), assert_same_host=False)
        theirs.urlopen("GET", "/back", assert_same_host=False)
    with_marker, *without = server.requests
    assert token_of(with_marker)
    assert len(without) == 3
    assert all(map(has_no_marker, without))


class CallingByName(HTTPConnectionPool):
    """A pool as a tracer may make it."""

    def _make_request(self, conn: Any, method: str, url: str, **kwargs: Any) -> Any:
        return super()._make_request(conn=conn, method=method, url=url, **kwargs)


def test_a_request_that_is_made_by_keywords_carries_the_marker(server: RecordingServer, either_work: str) -> None:
    assert CallingByName(OURS, server.port).request("GET", "/").status == 200
    assert has_no_marker(server.only) is (either_work == "real")
    if either_work == "simulated":
        with pytest.raises(ExternalRequestRefused):
            CallingByName(THEIRS, server.port).request("GET", "/")


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize("simulated", [True, False])
def test_a_call_through_a_tunnel_is_decided_by_the_host_at_its_other_end(tmp_path: Path, simulated: bool) -> None:
    file = certificate(tmp_path)
    with (
        tls_server(file) as server,
        tunnels_to(server.port) as proxy,
        urllib3.ProxyManager(f"http://{THEIRS}:{proxy.port}", ca_certs=str(file)) as manager,
        synthetic.simulated(run="rush-hour") if simulated else synthetic.real(),
    ):
        own = {"Accept": "*/*"}  # urllib3 itself copies them only where there is no tunnel
        assert manager.request("GET", f"https://{OURS}:{server.port}/", headers=own).status == 200
        assert own == {"Accept": "*/*"}
        if simulated:
            with pytest.raises(ExternalRequestRefused) as refused:
                manager.request("GET", f"https://{THEIRS}:{server.port}/")
            assert refused.value.host == THEIRS
        assert has_no_marker(server.only) is not simulated
        assert not any(b"synthetic-traffic" in head for head in proxy.heads)


@pytest.mark.usefixtures("on")
def test_a_refused_call_is_not_retried(server: RecordingServer) -> None:
    manager = urllib3.PoolManager(retries=urllib3.Retry(5))
    with (
        ledger.recorded() as outcomes,
        synthetic.simulated(run="rush-hour"),
        pytest.raises(ExternalRequestRefused),
    ):
        manager.request("GET", server.url(host=THEIRS))
    assert len(outcomes) == 1
    assert not server.requests


@pytest.mark.usefixtures("on")
def test_a_pool_stays_usable_after_a_refusal(server: RecordingServer) -> None:
    pool = urllib3.HTTPConnectionPool(THEIRS, server.port, maxsize=1, block=True)
    for _ in range(3):
        with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalRequestRefused):
            pool.request("GET", "/", pool_timeout=1)
        assert pool.request("GET", "/", pool_timeout=1).status == 200
    assert len(server.requests) == 3


def test_a_retried_call_carries_the_marker_each_time(server: RecordingServer, either_work: str) -> None:
    def once_unavailable(request: Recorded) -> Answer:
        return Answer(503 if len(server.requests) == 1 else 200)

    server.answers["/"] = once_unavailable
    retries = urllib3.Retry(3, status_forcelist=[503], backoff_factor=0)
    assert urllib3.PoolManager().request("GET", server.url(), retries=retries).status == 200
    assert [has_no_marker(request) for request in server.requests] == [either_work == "real"] * 2


@pytest.mark.usefixtures("on")
def test_a_redirect_of_a_pool_to_its_own_host_carries_the_marker(server: RecordingServer) -> None:
    server.redirect("/", server.url("/next"))
    with synthetic.simulated(run="rush-hour"):
        assert urllib3.HTTPConnectionPool(OURS, server.port).request("GET", "/").status == 200
    assert len({token_of(request) for request in server.requests}) == 1


@pytest.mark.parametrize("work", [synthetic.real, lambda: synthetic.simulated(run="rush-hour")])
@pytest.mark.usefixtures("on")
def test_a_marker_under_a_name_in_bytes_does_not_leave_for_an_undeclared_host(
    keys: dict[str, Any], server: RecordingServer, work: Any
) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    headers: Any = {b"BAGGAGE": entry(mint(keys)), b"accept": "text/plain"}
    with work(), urllib3.PoolManager() as manager:
        manager.request("GET", server.url(host=THEIRS), headers=headers)
    assert has_no_marker(server.only)
    assert server.only.values("accept") == ["text/plain"]


@pytest.mark.usefixtures("on")
@pytest.mark.parametrize(
    "url", ["http://{ours}@{theirs}:{port}/", "http://{theirs}:{port}\\@{ours}/", "http://{THEIRS}:{port}/",
            "http://{theirs}.:{port}/", "http://2130706433:{port}/", "http://127.1:{port}/"]
)  # fmt: skip
def test_no_spelling_of_an_undeclared_host_gets_the_marker(server: RecordingServer, url: str) -> None:
    spelled = url.format(ours=OURS, theirs=THEIRS, THEIRS=THEIRS.upper(), port=server.port)
    with synthetic.simulated(run="rush-hour"), pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.PoolManager().request("GET", spelled, retries=False)
    assert not server.requests


@pytest.mark.usefixtures("on")
def test_the_work_stays_simulated_during_an_allowed_external_call(
    server: RecordingServer, keys: dict[str, Any]
) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    seen: list[bool] = []

    def steps() -> Iterator[bytes]:
        seen.append(synthetic.is_synthetic())
        yield b"body"

    with brought_by_opentelemetry(mint(keys)):
        urllib3.PoolManager().request("POST", server.url(host=THEIRS), body=steps())
    assert (seen, server.only.body) == ([True], b"body")
    assert has_no_marker(server.only)


# As always


@pytest.mark.usefixtures("either_work")
def test_bodies_fields_streams_and_errors_work_as_before(server: RecordingServer) -> None:
    manager = urllib3.PoolManager(retries=False)
    manager.request("POST", server.url(), body=iter([b"one", b"two"]))
    manager.request("POST", server.url(), fields={"a": "1"}, encode_multipart=False)
    assert [request.body for request in server.requests] == [b"onetwo", b"a=1"]
    server.answers["/large"] = Answer(body=b"y" * 200_000)
    response = manager.request("GET", server.url("/large"), preload_content=False)
    assert sum(map(len, response.stream(4096))) == 200_000
    response.release_conn()
    server.redirect("/loop", server.url("/loop"))
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        manager.request("GET", server.url("/loop"), retries=2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://{OURS}:{silent.getsockname()[1]}/"
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            manager.request("GET", url, timeout=urllib3.Timeout(connect=60, read=0.05))
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        manager.request("GET", url)
