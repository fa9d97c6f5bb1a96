"""httpx and httpx2: requests that are sent more than once, and what a URL really names."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import synthetic
from tests.products.httpx import Product
from tests.support.clients import OURS, THEIRS, brought_by_opentelemetry, has_no_marker, token_of
from tests.support.keys import mint
from tests.support.recording_server import RecordingServer


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


def test_a_request_is_reused_across_a_flip_of_the_mark(client: Any, server: RecordingServer) -> None:
    request = client.build_request("GET", server.url(), headers={"baggage": "a=1"})
    with synthetic.simulated(run="rush-hour"):
        assert client.send(request).request is request
    client.send(request)
    with synthetic.real():
        client.send(request)
    first, second, third = server.requests
    assert token_of(first)
    assert second.values("baggage") == third.values("baggage") == ["a=1"]


def test_a_request_that_two_threads_send_at_once_carries_the_marker_of_each(
    product: Product, server: RecordingServer
) -> None:
    is_waiting, may_go = threading.Event(), threading.Event()

    class Interleaved(product.library.HTTPTransport):  # type: ignore[misc, name-defined]
        """The simulated call reaches the wire while the real one is being sent."""

        def handle_request(self, request: Any) -> Any:
            if synthetic.is_synthetic():
                is_waiting.set()
                may_go.wait(60)
            else:
                may_go.set()
                thread.join(60)
            return super().handle_request(request)

    def simulated() -> None:
        with synthetic.simulated(run="rush-hour"):
            client.send(request)

    with product.instrumented(), product.library.Client(transport=Interleaved(verify=False)) as client:
        request = client.build_request("GET", server.url())
        thread = threading.Thread(target=simulated)
        thread.start()
        assert is_waiting.wait(60)
        with synthetic.real():
            client.send(request)
    marked, real = server.requests
    assert token_of(marked)
    assert has_no_marker(real)


def test_code_below_the_client_sees_simulated_work_during_an_allowed_external_call(
    product: Product, keys: dict[str, Any]
) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    seen: list[tuple[bool, bool]] = []

    def answer(request: Any) -> Any:
        seen.append((synthetic.is_synthetic(), "baggage" in request.headers))
        return product.library.Response(200)

    transport = product.library.MockTransport(answer)
    with (
        product.instrumented(),
        product.library.Client(transport=transport) as client,
        brought_by_opentelemetry(mint(keys)),
    ):
        client.get(f"http://{THEIRS}/")
    assert seen == [(True, False)]


# Which host a URL names


@pytest.mark.parametrize(
    "url",
    [
        "http://{ours}@{theirs}:{port}/",
        "http://{ours}:80@{theirs}:{port}/",
        "http://{ours}%2f@{theirs}:{port}/",
        "http://{theirs}:{port}\\@{ours}/",
        "http://{theirs}:{port}#@{ours}/",
        "http://{theirs}:{port}?@{ours}/",
        "http://{THEIRS}:{port}/",
        "http://{theirs}.:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://127.1:{port}/",
    ],
)
@pytest.mark.parametrize("by_redirect", [False, True])
def test_no_spelling_of_an_undeclared_host_gets_the_marker(
    product: Product, client: Any, server: RecordingServer, url: str, by_redirect: bool
) -> None:
    errors = (product.library.RequestError, product.library.InvalidURL)
    with RecordingServer() as other:
        spelled = url.format(ours=OURS, theirs=THEIRS, THEIRS=THEIRS.upper(), port=other.port)
        server.redirect("/", spelled)
        with synthetic.simulated(run="rush-hour"), pytest.raises(errors):
            client.get(server.url() if by_redirect else spelled, follow_redirects=True)
        assert not other.requests


@pytest.mark.parametrize("url", ["http://{theirs}@{ours}:{port}/", "http://user:secret@{ours}:{port}/"])
def test_user_information_in_a_url_is_not_taken_for_the_host(client: Any, server: RecordingServer, url: str) -> None:
    with synthetic.simulated(run="rush-hour"):
        client.get(url.format(theirs=THEIRS, ours=OURS, port=server.port))
    assert token_of(server.only)
