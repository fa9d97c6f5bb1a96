"""requests: objects that live longer than one call, and what a URL really names."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth

import synthetic
from synthetic_requests import ExternalRequestRefused, SyntheticAdapter
from tests.support.clients import OURS, THEIRS, brought_by_opentelemetry, has_no_marker, token_of
from tests.support.keys import mint
from tests.support.recording_server import Answer, Recorded, RecordingServer


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


# A prepared request, an adapter, an authentication


@pytest.mark.usefixtures("instrumented")
def test_a_prepared_request_is_reused_across_a_flip_of_the_mark(server: RecordingServer) -> None:
    with requests.Session() as session:
        prepared = session.prepare_request(requests.Request("GET", server.url(), headers={"baggage": "a=1"}))
        with synthetic.simulated(run="rush-hour"):
            session.send(prepared)
        session.send(prepared)
        with synthetic.real():
            session.send(prepared)
    first, second, third = server.requests
    assert token_of(first)
    assert second.values("baggage") == third.values("baggage") == ["a=1"]


def test_a_prepared_request_is_reused_on_a_mounted_adapter(server: RecordingServer) -> None:
    with requests.Session() as session:
        session.mount("http://", SyntheticAdapter())
        prepared = session.prepare_request(requests.Request("GET", server.url()))
        with synthetic.simulated(run="rush-hour"):
            session.send(prepared)
        session.send(prepared)
    first, second = server.requests
    assert token_of(first)
    assert has_no_marker(second)


def test_a_prepared_request_that_two_threads_send_at_once_carries_the_marker_of_each(server: RecordingServer) -> None:
    is_waiting, may_go = threading.Event(), threading.Event()

    class Interleaved(HTTPAdapter):
        """The simulated call reaches the wire while the real one is being sent."""

        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            if synthetic.is_synthetic():
                is_waiting.set()
                may_go.wait(60)
            else:
                may_go.set()
                thread.join(60)
            return super().send(request, *args, **kwargs)

    def simulated() -> None:
        with synthetic.simulated(run="rush-hour"):
            session.send(prepared)

    with requests.Session() as session:
        session.mount("http://", SyntheticAdapter(Interleaved()))
        prepared = session.prepare_request(requests.Request("GET", server.url()))
        thread = threading.Thread(target=simulated)
        thread.start()
        assert is_waiting.wait(60)
        with synthetic.real():
            session.send(prepared)
    marked, real = server.requests
    assert token_of(marked)
    assert has_no_marker(real)
    assert "baggage" not in prepared.headers


@pytest.mark.usefixtures("instrumented")
def test_a_request_that_a_hook_sends_to_another_host_is_decided_again(server: RecordingServer) -> None:
    with RecordingServer() as other, requests.Session() as session:

        def elsewhere(response: requests.Response, **_: Any) -> None:
            response.request.hooks = {"response": []}
            response.request.url = other.url(host=THEIRS)
            session.send(response.request)

        with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalRequestRefused):
            session.get(server.url(), hooks={"response": elsewhere})
        assert not other.requests


@pytest.mark.parametrize("mounted", [True, False])
def test_the_second_request_of_digest_authentication_carries_the_marker(server: RecordingServer, mounted: bool) -> None:
    def challenge(request: Recorded) -> Answer:
        if request.values("authorization"):
            return Answer()
        return Answer(401, (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),))

    server.answers["/"] = challenge
    with requests.Session() as session:
        if mounted:
            session.mount("http://", SyntheticAdapter())
        else:
            synthetic.instrument("requests")
        try:
            with synthetic.simulated(run="rush-hour"):
                assert session.get(server.url(), auth=HTTPDigestAuth("rider", "secret")).status_code == 200
        finally:
            synthetic.uninstrument("requests")
    assert len(server.requests) == 2
    assert len({token_of(request) for request in server.requests}) == 1


@pytest.mark.usefixtures("instrumented")
def test_a_hook_sees_simulated_work_during_an_allowed_external_call(
    server: RecordingServer, keys: dict[str, Any]
) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS], policy={"external-call": "allow"})
    seen: list[bool] = []
    with brought_by_opentelemetry(mint(keys)):
        hook = {"response": lambda response, **_: seen.append(synthetic.is_synthetic())}
        requests.get(server.url(host=THEIRS), hooks=hook)
    assert seen == [True]


def test_an_adapter_passes_on_its_arguments_and_closes_what_it_wraps(server: RecordingServer) -> None:
    class Watched(HTTPAdapter):
        closed = False
        timeout: Any = None

        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            self.timeout = kwargs["timeout"]
            return super().send(request, *args, **kwargs)

        def close(self) -> None:
            self.closed = True
            super().close()

    inner = Watched()
    with requests.Session() as session:
        session.mount("http://", SyntheticAdapter(inner))
        session.get(server.url(), timeout=7)
    assert inner.timeout == 7
    assert inner.closed


def test_a_session_with_a_mounted_adapter_can_be_pickled(server: RecordingServer) -> None:
    session = requests.Session()
    session.mount("http://", SyntheticAdapter())
    with synthetic.simulated(run="rush-hour"):
        pickle.loads(pickle.dumps(session)).get(server.url())
        copy.deepcopy(session).get(server.url())
    assert all(token_of(request) for request in server.requests)
    assert len(server.requests) == 2


# Which host a URL names


@pytest.mark.parametrize(
    "url",
    [
        "http://{ours}@{theirs}:{port}/",
        "http://{ours}:80@{theirs}:{port}/",
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
@pytest.mark.usefixtures("instrumented")
def test_no_spelling_of_an_undeclared_host_gets_the_marker(
    server: RecordingServer, url: str, by_redirect: bool
) -> None:
    with RecordingServer() as other:
        spelled = url.format(ours=OURS, theirs=THEIRS, THEIRS=THEIRS.upper(), port=other.port)
        server.redirect("/", spelled)
        with synthetic.simulated(run="rush-hour"), pytest.raises(requests.RequestException):
            requests.get(server.url() if by_redirect else spelled)
        assert not other.requests


@pytest.mark.parametrize("url", ["http://{theirs}@{ours}:{port}/", "http://user:secret@{ours}:{port}/"])
@pytest.mark.usefixtures("instrumented")
def test_user_information_in_a_url_is_not_taken_for_the_host(server: RecordingServer, url: str) -> None:
    with synthetic.simulated(run="rush-hour"):
        requests.get(url.format(theirs=THEIRS, ours=OURS, port=server.port))
    assert token_of(server.only)
