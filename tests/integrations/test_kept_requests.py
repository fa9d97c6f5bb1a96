"""A request that is kept and sent again never carries the marker of earlier work, whoever else writes headers."""

from __future__ import annotations

import asyncio
import http.client
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

import synthetic
from synthetic.errors import ExternalCallRefused
from tests.support.clients import has_no_marker
from tests.support.recording_server import RecordingServer
from tests.support.switches import by_opentelemetry


class Kept(NamedTuple):
    """How to send the same object again, and everything that the caller holds."""

    send: Callable[[], object]
    held: Callable[[], object]
    close: Callable[[], object] = lambda: None


def requests_prepared(url: str, headers: dict[str, str]) -> Kept:
    requests = pytest.importorskip("requests")
    session = requests.Session()
    kept = session.prepare_request(requests.Request("GET", url, headers=headers))
    responses: list[Any] = []

    def send() -> None:
        responses.append(session.send(kept, timeout=60))

    return Kept(send, lambda: [kept.headers, *(response.request.headers for response in responses)], session.close)


def httpx_request(url: str, headers: dict[str, str]) -> Kept:
    httpx = pytest.importorskip("httpx")
    client = httpx.Client()
    kept = client.build_request("GET", url, headers=headers)
    return Kept(lambda: client.send(kept), lambda: kept.headers.raw, client.close)


def httpx_async_request(url: str, headers: dict[str, str]) -> Kept:
    httpx = pytest.importorskip("httpx")
    kept = httpx.Request("GET", url, headers=headers)

    async def send() -> None:
        async with httpx.AsyncClient() as client:
            await client.send(kept)

    return Kept(lambda: asyncio.run(send()), lambda: kept.headers.raw)


def urllib3_headers(url: str, headers: dict[str, str]) -> Kept:
    urllib3 = pytest.importorskip("urllib3")
    pool = urllib3.PoolManager()
    kept = urllib3._collections.HTTPHeaderDict(headers)
    return Kept(lambda: pool.request("GET", url, headers=kept), lambda: list(kept.items()), pool.clear)


def urllib3_defaults(url: str, headers: dict[str, str]) -> Kept:
    urllib3 = pytest.importorskip("urllib3")
    pool = urllib3.PoolManager(headers=headers)
    return Kept(lambda: pool.request("GET", url), lambda: (pool.headers, headers), pool.clear)


def aiohttp_arguments(url: str, headers: dict[str, str]) -> Kept:
    aiohttp = pytest.importorskip("aiohttp")
    multidict = pytest.importorskip("multidict")
    kept = {"headers": multidict.CIMultiDict(headers)}

    async def send() -> None:
        async with aiohttp.ClientSession() as session, session.get(url, **kept) as response:
            await response.read()

    return Kept(lambda: asyncio.run(send()), lambda: dict(kept["headers"]))


def urllib_request(url: str, headers: dict[str, str]) -> Kept:
    kept = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return Kept(lambda: opener.open(kept).close(), lambda: (kept.headers, kept.unredirected_hdrs))


def http_client_headers(url: str, headers: dict[str, str]) -> Kept:
    connection = http.client.HTTPConnection(url.partition("//")[2].rstrip("/"))

    def send() -> None:
        connection.request("GET", "/", headers=headers)
        connection.getresponse().read()

    return Kept(send, lambda: headers, connection.close)


KINDS = {
    "requests": (requests_prepared, "opentelemetry.instrumentation.requests:RequestsInstrumentor"),
    "httpx": (httpx_request, "opentelemetry.instrumentation.httpx:HTTPXClientInstrumentor"),
    "httpx, async": (httpx_async_request, "opentelemetry.instrumentation.httpx:HTTPXClientInstrumentor"),
    "urllib3": (urllib3_headers, "opentelemetry.instrumentation.urllib3:URLLib3Instrumentor"),
    "urllib3, defaults": (urllib3_defaults, "opentelemetry.instrumentation.urllib3:URLLib3Instrumentor"),
    "aiohttp": (aiohttp_arguments, "opentelemetry.instrumentation.aiohttp_client:AioHttpClientInstrumentor"),
    "http-client": (urllib_request, "opentelemetry.instrumentation.urllib:URLLibInstrumentor"),
    "http-client, bare": (http_client_headers, "opentelemetry.instrumentation.urllib:URLLibInstrumentor"),
}
ORDERS = ["alone", "inside", "outside"]


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=["127.0.0.1"])


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=ORDERS)
def make(request: pytest.FixtureRequest, kind: Any) -> Iterator[Callable[..., Kept]]:
    """Makes the object, with this library's instrumentation alone, inside of OpenTelemetry's, or outside of it."""
    make, instrumentor = kind
    module, _, name = instrumentor.partition(":")
    product = next(key for key, value in KINDS.items() if value is kind).partition(",")[0]

    def theirs() -> Any:
        return getattr(pytest.importorskip(module), name)()

    with ExitStack() as undo:
        if request.param == "inside":
            undo.enter_context(by_opentelemetry(theirs))
        synthetic.instrument(product)
        undo.callback(synthetic.uninstrument, product)
        if request.param == "outside":
            undo.enter_context(by_opentelemetry(theirs))

        def made(url: str, headers: dict[str, str]) -> Kept:
            kept: Kept = make(url, headers)
            undo.callback(kept.close)
            return kept

        yield made


@pytest.mark.parametrize("own", [{}, {"baggage": "user=7"}, {"x-own": "1"}], ids=["no headers", "baggage", "another"])
def test_a_kept_request_carries_only_the_marker_of_the_work_that_sends_it(
    server: RecordingServer, make: Callable[..., Kept], own: dict[str, str]
) -> None:
    kept = make(server.url(), dict(own))
    for _ in range(2):
        kept.send()
        with synthetic.simulated(run="rush-hour"):
            kept.send()
            kept.send()
        kept.send()
        with synthetic.real():
            kept.send()
    assert [not has_no_marker(request) for request in server.requests] == [False, True, True, False, False] * 2
    assert "synthetic-traffic" not in str(kept.held())
    assert ("user=7" in str(kept.held())) is ("baggage" in own)


def test_a_header_that_the_caller_wrote_is_sent_again_and_stays(
    server: RecordingServer, make: Callable[..., Kept]
) -> None:
    with synthetic.simulated(run="rush-hour"):
        own = synthetic.headers()
    kept = make(server.url(), dict(own))
    kept.send()
    with synthetic.simulated(run="other"):
        kept.send()
    kept.send()
    with synthetic.real():
        kept.send()
    kept.send()
    assert [not has_no_marker(request) for request in server.requests] == [True, True, True, False, True]
    sent = [request.values("baggage") for request in server.requests]
    assert sent[0] == sent[2] == sent[4] == [own["baggage"]]
    assert sent[1] != sent[0]


def test_a_refused_call_leaves_no_token_in_the_callers_request(
    server: RecordingServer, make: Callable[..., Kept]
) -> None:
    kept = make(server.url(host="localhost"), {})
    with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalCallRefused):
        kept.send()
    assert "synthetic-traffic" not in str(kept.held())
    kept.send()
    assert [has_no_marker(request) for request in server.requests] == [True]
