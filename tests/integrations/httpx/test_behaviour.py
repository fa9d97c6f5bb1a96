"""httpx and httpx2, instrumented, still behave as their documentation says, for real and for simulated work."""

from __future__ import annotations

import inspect
import json
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import synthetic
from tests.contract.client_hosts import raise_in_worker
from tests.products.httpx import Product
from tests.support.clients import OURS, THEIRS, has_no_marker, token_of
from tests.support.recording_server import Answer, Recorded, RecordingServer


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture(params=["real", "simulated"])
def either_work(request: pytest.FixtureRequest) -> Iterator[str]:
    with synthetic.real() if request.param == "real" else synthetic.simulated(run="rush-hour"):
        yield request.param


@pytest.mark.usefixtures("instrumented")
def test_top_level_functions_carry_the_marker(product: Product, server: RecordingServer, either_work: str) -> None:
    for method in ("get", "post", "put", "delete", "patch", "options", "head"):
        response = getattr(product.library, method)(server.url("/x"), params={"q": "a b"}, verify=False)
        assert (response.status_code, response.request.method) == (200, method.upper())
    with product.library.stream("GET", server.url("/x"), verify=False) as response:
        assert response.read() == b"ok"
    assert [has_no_marker(request) for request in server.requests] == [either_work == "real"] * 7


@pytest.mark.usefixtures("either_work")
def test_bodies_are_sent_whole_streamed_or_not(client: Any, server: RecordingServer, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * 300_000)
    client.post(server.url(), content=iter([b"one", b"two"]))
    with large.open("rb") as file:
        client.post(server.url(), content=file)
    client.post(server.url(), json={"ride": 7})
    client.post(server.url(), files={"photo": b"bytes"})
    streamed, file_sent, json_sent, files_sent = (request.body for request in server.requests)
    assert streamed == b"onetwo"
    assert file_sent == large.read_bytes()
    assert json.loads(json_sent) == {"ride": 7}
    assert b"bytes" in files_sent


@pytest.mark.usefixtures("either_work")
def test_a_response_can_be_streamed_after_the_call(client: Any, server: RecordingServer) -> None:
    server.answers["/"] = Answer(body=b"y" * 200_000)
    with client.stream("GET", server.url()) as response:
        assert not response.is_closed
        assert sum(len(chunk) for chunk in response.iter_bytes(4096)) == 200_000
    assert response.is_closed
    assert response.elapsed.total_seconds() > 0


@pytest.mark.usefixtures("either_work")
def test_the_library_still_raises_its_own_errors_with_the_callers_request(
    product: Product, client: Any, server: RecordingServer
) -> None:
    library, may_answer = product.library, threading.Event()

    def slow(request: Recorded) -> Answer:
        may_answer.wait(60)
        return Answer()

    server.answers["/slow"] = slow
    server.answers["/missing"] = Answer(404)
    request = client.build_request("GET", server.url("/slow"), timeout=library.Timeout(60, read=0.05))
    with pytest.raises(library.ReadTimeout) as timed_out:
        client.send(request)
    may_answer.set()
    assert timed_out.value.request is request
    assert "baggage" not in request.headers
    with pytest.raises(library.HTTPStatusError):
        client.get(server.url("/missing")).raise_for_status()
    with pytest.raises(library.UnsupportedProtocol):
        client.get(f"gopher://{OURS}/")
    with pytest.raises(library.RequestError):
        client.get("no-scheme")
    server.redirect("/loop", server.url("/loop"))
    with pytest.raises(library.TooManyRedirects):
        client.get(server.url("/loop"), follow_redirects=True)


def test_a_refusal_names_the_request_and_comes_back_from_a_process_pool(
    product: Product, client: Any, server: RecordingServer
) -> None:
    request = client.build_request("GET", server.url(host=THEIRS))
    with synthetic.simulated(run="rush-hour"), pytest.raises(product.ours.ExternalRequestRefused) as raised:
        client.send(request)
    assert raised.value.request is request
    assert not isinstance(raised.value, product.library.TransportError)  # which callers try again
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        returned = pool.submit(raise_in_worker, raised.value).exception()
    assert isinstance(returned, product.ours.ExternalRequestRefused)
    assert (returned.host, returned.request.url) == (THEIRS, request.url)


def test_the_callers_request_is_in_hooks_responses_and_history_without_the_marker(
    product: Product, server: RecordingServer
) -> None:
    server.redirect("/", server.url("/next"))
    seen: list[Any] = []
    hooks = {"request": [seen.append], "response": [lambda response: seen.append(response.request)]}
    with product.instrumented(), product.library.Client(transport=product.transport(), event_hooks=hooks) as client:
        request = client.build_request("GET", server.url())
        with synthetic.simulated(run="rush-hour"):
            response = client.send(request, follow_redirects=True)
    assert seen[:2] == [request, request]
    assert seen[2] is seen[3] is response.request
    assert response.history[0].request is request
    assert all("baggage" not in request.headers for request in seen)
    assert all(token_of(request) for request in server.requests)


def test_a_hook_may_write_baggage_of_its_own(product: Product, server: RecordingServer) -> None:
    hooks = {"request": [lambda request: request.headers.update({"baggage": "a=1"})]}
    with product.instrumented(), product.library.Client(transport=product.transport(), event_hooks=hooks) as client:
        with synthetic.simulated(run="rush-hour"):
            client.get(server.url())
        client.get(server.url())
    marked, real = server.requests
    assert token_of(marked)
    assert marked.values("baggage")[0].endswith(",a=1")
    assert real.values("baggage") == ["a=1"]


def test_several_baggage_lines_are_joined_behind_the_marker_and_kept_for_real_work(
    client: Any, server: RecordingServer
) -> None:
    lines = [("baggage", "a=1"), ("x-other", "1"), ("Baggage", "b=2;p")]
    client.get(server.url(), headers=lines)
    with synthetic.simulated(run="rush-hour"):
        client.get(server.url(), headers=lines)
    real, marked = server.requests
    assert real.values("baggage") == ["a=1", "b=2;p"]
    assert token_of(marked)
    (line,) = marked.values("baggage")
    assert line.endswith(",a=1,b=2;p")
    assert marked.values("x-other") == ["1"]


@pytest.mark.usefixtures("either_work")
def test_clients_keep_cookies_authentication_and_history(client: Any, server: RecordingServer) -> None:
    server.answers["/login"] = Answer(302, (("Set-Cookie", "seat=12"), ("Location", "/home")), b"")
    response = client.get(server.url("/login"), auth=("rider", "secret"), follow_redirects=True)
    assert [past.status_code for past in response.history] == [302]
    assert client.cookies["seat"] == "12"
    assert server.requests[1].values("cookie") == ["seat=12"]
    assert all(request.values("authorization") for request in server.requests)


def test_redirects_that_are_not_followed_can_be_followed_by_hand(
    client: Any, server: RecordingServer, either_work: str
) -> None:
    server.redirect("/", "/next")
    response = client.get(server.url())
    assert response.is_redirect
    assert response.next_request is not None
    assert "baggage" not in response.next_request.headers
    assert client.send(response.next_request).text == "ok"
    assert [has_no_marker(request) for request in server.requests] == [either_work == "real"] * 2


def test_each_request_of_an_authentication_carries_the_marker(
    product: Product, client: Any, server: RecordingServer
) -> None:
    def challenge(request: Recorded) -> Answer:
        if request.values("authorization"):
            return Answer()
        return Answer(401, (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'),))

    server.answers["/"] = challenge
    with synthetic.simulated(run="rush-hour"):
        response = client.get(server.url(), auth=product.library.DigestAuth("rider", "secret"))
    assert response.status_code == 200
    assert len(server.requests) == 2
    assert len({token_of(request) for request in server.requests}) == 1


def test_an_authentication_call_to_another_host_is_decided_for_that_host(
    product: Product, client: Any, server: RecordingServer
) -> None:
    class Fetching(product.library.Auth):  # type: ignore[misc, name-defined]
        requires_response_body = True

        def auth_flow(self, request: Any) -> Iterator[Any]:
            key = yield product.library.Request("POST", server.url("/key", host=THEIRS))
            request.headers["Authorization"] = key.text
            yield request

    with synthetic.simulated(run="rush-hour"), pytest.raises(product.ours.ExternalRequestRefused):
        client.get(server.url(), auth=Fetching())
    assert not server.requests
    with synthetic.real():
        client.get(server.url(), auth=Fetching())
    assert server.requests[1].values("authorization") == ["ok"]


@pytest.mark.usefixtures("instrumented")
def test_patched_functions_keep_their_signature_and_kind(product: Product) -> None:
    synchronous = product.library.Client._send_single_request
    asynchronous = product.library.AsyncClient._send_single_request
    assert list(inspect.signature(synchronous).parameters) == ["self", "request"]
    assert synchronous.__name__ == "_send_single_request"
    assert not inspect.iscoroutinefunction(synchronous)
    assert inspect.iscoroutinefunction(asynchronous)


@pytest.mark.usefixtures("instrumented")
def test_a_subclass_of_the_client_with_its_own_send_is_covered(product: Product, server: RecordingServer) -> None:
    class Own(product.library.Client):  # type: ignore[misc, name-defined]
        def send(self, request: Any, **options: Any) -> Any:
            request.headers["X-Own"] = "1"
            return super().send(request, **options)

    with synthetic.simulated(run="rush-hour"), Own(transport=product.transport()) as client:
        client.get(server.url())
    assert token_of(server.only)
    assert server.only.values("x-own") == ["1"]


def test_requests_and_responses_pickle(client: Any, server: RecordingServer) -> None:
    with synthetic.simulated(run="rush-hour"):
        response = client.get(server.url())
    restored = pickle.loads(pickle.dumps(response))
    assert restored.text == "ok"
    assert "synthetic-traffic" not in str(restored.request.headers)
