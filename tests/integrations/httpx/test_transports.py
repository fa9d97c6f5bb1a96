"""httpx and httpx2 with every kind of transport: the marker goes along, whatever makes the call."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import synthetic
from tests.products.httpx import Product
from tests.support.clients import OURS, THEIRS, has_no_marker, token_of
from tests.support.recording_server import RecordingServer


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS, "app"])


def answering(product: Product, seen: list[Any]) -> Any:
    def answer(request: Any) -> Any:
        seen.append(request)
        return product.library.Response(200, text=request.content.decode())

    return product.library.MockTransport(answer)


@pytest.mark.usefixtures("instrumented")
def test_a_mock_of_a_service_is_sent_the_marker(product: Product) -> None:
    seen: list[Any] = []
    with product.library.Client(transport=answering(product, seen)) as client:
        with synthetic.simulated(run="rush-hour"):
            client.get("http://app/")
        client.get("http://app/")
    assert ["baggage" in request.headers for request in seen] == [True, False]


@pytest.mark.usefixtures("instrumented")
def test_changes_that_a_transport_makes_are_seen_on_the_callers_request(product: Product) -> None:
    """A streamed body, once read, is kept by the request: to be looked at, or sent again with a redirect."""
    for work in (synthetic.real, lambda: synthetic.simulated(run="rush-hour")):
        with product.library.Client(transport=answering(product, [])) as client, work():
            request = client.build_request("POST", "http://app/", content=iter([b"one", b"two"]))
            assert client.send(request).text == "onetwo"
            assert request.content == b"onetwo"
            assert client.send(request).text == "onetwo"
        assert "baggage" not in request.headers


@pytest.mark.usefixtures("instrumented")
def test_a_transport_that_is_mounted_for_some_urls_is_covered(product: Product, server: RecordingServer) -> None:
    seen: list[Any] = []
    mounts = {"http://app": answering(product, seen), "http://other": None}
    with (
        product.library.Client(transport=product.transport(), mounts=mounts) as client,
        synthetic.simulated(run="rush-hour"),
    ):
        client.get("http://app/")
        client.get(server.url())
    assert "baggage" in seen[0].headers
    assert token_of(server.only)


@pytest.mark.usefixtures("instrumented")
def test_a_custom_transport_that_retries_sends_the_marker_each_time(product: Product, server: RecordingServer) -> None:
    class Stubborn(product.library.BaseTransport):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.inner = product.transport()

        def handle_request(self, request: Any) -> Any:
            self.inner.handle_request(request).read()
            return self.inner.handle_request(request)

        def close(self) -> None:
            self.inner.close()

    with product.library.Client(transport=Stubborn()) as client, synthetic.simulated(run="rush-hour"):
        client.get(server.url())
    assert len({token_of(request) for request in server.requests}) == 1
    assert len(server.requests) == 2


def test_a_request_that_an_outer_transport_sends_to_another_host_is_refused(product: Product) -> None:
    seen: list[Any] = []

    class Elsewhere(product.library.BaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            request.url = product.library.URL("http://vendor.example/")
            return product.ours.SyntheticTransport(answering(product, seen)).handle_request(request)

    with (
        product.library.Client(transport=Elsewhere()) as client,
        synthetic.simulated(run="rush-hour"),
        pytest.raises(product.ours.ExternalRequestRefused),
    ):
        client.get("http://app/")
    assert not seen


@pytest.mark.usefixtures("instrumented")
def test_a_call_through_a_proxy_is_decided_by_the_host_of_its_url(product: Product) -> None:
    with RecordingServer() as proxy:
        transport = product.library.HTTPTransport(verify=False, proxy=proxy.url(host=THEIRS))
        with product.library.Client(transport=transport) as client, synthetic.simulated(run="rush-hour"):
            client.get("http://app/ride")
            with pytest.raises(product.ours.ExternalRequestRefused):
                client.get("http://vendor.example/")
    assert proxy.only.path == "http://app/ride"
    assert token_of(proxy.only)


@pytest.mark.usefixtures("instrumented")
def test_a_call_over_a_unix_socket_carries_the_marker(product: Product, tmp_path: Path) -> None:
    async def calls() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            seen.append(request)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()

        seen: list[bytes] = []
        path = str(tmp_path / "socket")
        transport = product.library.AsyncHTTPTransport(verify=False, uds=path)
        async with (
            await asyncio.start_unix_server(answer, path),
            product.library.AsyncClient(transport=transport) as client,
        ):
            with synthetic.simulated(run="rush-hour"):
                assert (await client.get("http://app/")).status_code == 200
        return seen[0]

    assert b"\r\nbaggage: synthetic-traffic=" in asyncio.run(calls())


# The explicit transport


@pytest.mark.parametrize("is_async", [False, True])
def test_the_transport_is_entered_and_closed_with_the_one_it_sends_through(product: Product, is_async: bool) -> None:
    done: list[str] = []
    library = product.library

    class Watched(library.BaseTransport):  # type: ignore[misc, name-defined]
        def __enter__(self) -> Any:
            done.append("entered")
            return super().__enter__()

        def close(self) -> None:
            done.append("closed")

    class WatchedAsync(library.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        async def __aenter__(self) -> Any:
            done.append("entered")
            return await super().__aenter__()

        async def aclose(self) -> None:
            done.append("closed")

    async def used() -> None:
        async with library.AsyncClient(transport=product.synthetic_transport(WatchedAsync(), True)):
            done.append("used")
        await library.AsyncClient(transport=product.synthetic_transport(WatchedAsync(), True)).aclose()

    if is_async:
        asyncio.run(used())
    else:
        with library.Client(transport=product.synthetic_transport(Watched())):
            done.append("used")
        library.Client(transport=product.synthetic_transport(Watched())).close()
    assert done == ["entered", "used", "closed", "closed"]


def test_the_transport_sends_through_the_librarys_own_by_default(product: Product, server: RecordingServer) -> None:
    async def called() -> None:
        async with product.library.AsyncClient(transport=product.ours.AsyncSyntheticTransport()) as client:
            await client.get(server.url())

    with synthetic.simulated(run="rush-hour"):
        with product.library.Client(transport=product.ours.SyntheticTransport()) as client:
            client.get(server.url())
        asyncio.run(called())
    assert len({token_of(request) for request in server.requests}) == 1
    assert isinstance(product.ours.SyntheticTransport(), product.library.BaseTransport)
    assert isinstance(product.ours.AsyncSyntheticTransport(), product.library.AsyncBaseTransport)


def test_only_the_client_that_has_the_transport_is_covered(product: Product, server: RecordingServer) -> None:
    mounts = {server.url("/covered")[:-8]: product.synthetic_transport(product.transport())}
    with synthetic.simulated(run="rush-hour"):
        with product.library.Client(mounts=mounts, verify=False) as client:
            client.get(server.url())
        with product.library.Client(verify=False) as client:
            client.get(server.url())
    assert [has_no_marker(request) for request in server.requests] == [False, True]
