"""requests, instrumented, still behaves as its documentation says, for real and for simulated work."""

from __future__ import annotations

import inspect
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.auth import HTTPBasicAuth

import synthetic
from tests.support.clients import OURS, has_no_marker, token_of
from tests.support.recording_server import Answer, Recorded, RecordingServer


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])


@pytest.fixture(params=["real", "simulated"])
def either_work(request: pytest.FixtureRequest, instrumented: None) -> Iterator[str]:
    with synthetic.real() if request.param == "real" else synthetic.simulated(run="rush-hour"):
        yield request.param


@pytest.mark.usefixtures("either_work")
def test_top_level_functions_and_methods_work(server: RecordingServer) -> None:
    for method in ("get", "post", "put", "delete", "patch", "options"):
        response = getattr(requests, method)(server.url("/x"), params={"q": "a b"}, timeout=60)
        assert (response.text, response.request.method) == ("ok", method.upper())
    assert requests.head(server.url()).status_code == 200
    assert [request.method for request in server.requests] == ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
    assert {request.path for request in server.requests} == {"/x?q=a+b"}


@pytest.mark.usefixtures("either_work")
def test_bodies_are_sent_whole_streamed_or_not(server: RecordingServer, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * 300_000)
    requests.post(server.url(), data=iter([b"one", b"two"]))
    with large.open("rb") as file:
        requests.post(server.url(), data=file)
    requests.post(server.url(), json={"ride": 7})
    requests.post(server.url(), files={"photo": b"bytes"})
    streamed, file_sent, json_sent, files_sent = (request.body for request in server.requests)
    assert streamed == b"onetwo"
    assert file_sent == large.read_bytes()
    assert json.loads(json_sent) == {"ride": 7}
    assert b"bytes" in files_sent


@pytest.mark.usefixtures("either_work")
def test_a_response_can_be_streamed_after_the_call(server: RecordingServer) -> None:
    server.answers["/"] = Answer(body=b"y" * 200_000)
    with requests.get(server.url(), stream=True) as response:
        assert sum(len(chunk) for chunk in response.iter_content(4096)) == 200_000


@pytest.mark.usefixtures("either_work")
def test_requests_still_raises_its_own_errors(server: RecordingServer) -> None:
    may_answer = threading.Event()

    def slow(request: Recorded) -> Answer:
        may_answer.wait(60)
        return Answer()

    server.answers["/slow"] = slow
    server.answers["/missing"] = Answer(404)
    with pytest.raises(requests.ReadTimeout) as timed_out:
        requests.get(server.url("/slow"), timeout=(60, 0.05))
    may_answer.set()
    assert timed_out.value.request.url == server.url("/slow")
    with pytest.raises(requests.HTTPError):
        requests.get(server.url("/missing")).raise_for_status()
    with pytest.raises(requests.exceptions.InvalidSchema):
        requests.get(f"gopher://{OURS}/")
    with pytest.raises(requests.exceptions.MissingSchema):
        requests.get("no-scheme")
    server.redirect("/loop", server.url("/loop"))
    with pytest.raises(requests.TooManyRedirects):
        requests.get(server.url("/loop"))


@pytest.mark.usefixtures("either_work")
def test_sessions_keep_cookies_authentication_hooks_history_and_pickling(server: RecordingServer) -> None:
    server.answers["/login"] = Answer(302, (("Set-Cookie", "seat=12"), ("Location", "/home")), b"")
    called: list[str] = []
    session = requests.Session()
    session.auth = HTTPBasicAuth("rider", "secret")
    session.hooks["response"].append(lambda response, **_: called.append(response.url))
    response = session.get(server.url("/login"))
    assert [past.status_code for past in response.history] == [302]
    assert called == [server.url("/login"), server.url("/home")]
    assert server.requests[1].values("cookie") == ["seat=12"]
    assert all(request.values("authorization") for request in server.requests)
    session.hooks["response"].clear()
    restored = pickle.loads(pickle.dumps(session))
    assert restored.get(server.url("/home")).ok
    assert server.requests[-1].values("cookie") == ["seat=12"]


@pytest.mark.usefixtures("either_work")
def test_redirects_that_are_not_followed_can_be_followed_by_hand(server: RecordingServer, either_work: str) -> None:
    server.redirect("/", "/next")
    with requests.Session() as session:
        response = session.get(server.url(), allow_redirects=False)
        assert response.is_redirect
        assert response.next is not None
        assert session.send(response.next).text == "ok"
    assert [has_no_marker(request) for request in server.requests] == [either_work == "real"] * 2


@pytest.mark.usefixtures("instrumented")
def test_a_subclass_of_session_with_its_own_send_is_covered(server: RecordingServer) -> None:
    class Own(requests.Session):
        def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
            request.headers["X-Own"] = "1"
            return super().send(request, **kwargs)

    with synthetic.simulated(run="rush-hour"), Own() as session:
        session.get(server.url())
    assert token_of(server.only)
    assert server.only.values("x-own") == ["1"]


@pytest.mark.usefixtures("instrumented")
def test_a_session_gives_the_adapter_that_was_mounted() -> None:
    session, mine = requests.Session(), requests.adapters.HTTPAdapter()
    session.mount("https://a.example", mine)
    assert session.get_adapter("https://a.example/x") is mine


@pytest.mark.usefixtures("instrumented")
def test_an_adapter_of_any_class_sends_the_marker(server: RecordingServer) -> None:
    class Own(requests.adapters.HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> Any:
            return super().send(*args, **kwargs)

    class Other(requests.adapters.BaseAdapter):
        def send(self, *args: Any, **kwargs: Any) -> Any:
            return requests.adapters.HTTPAdapter().send(*args, **kwargs)

        def close(self) -> None:
            """Keep nothing open."""

    replaced = requests.adapters.HTTPAdapter()
    replaced.send = Own().send  # type: ignore[method-assign]
    for adapter in (Own(), Other(), replaced):
        session = requests.Session()
        session.mount("http://", adapter)
        with synthetic.simulated(run="rush-hour"):
            response = session.get(server.url())
            assert server.requests[-1].values("baggage") == [synthetic.headers()["baggage"]]
        assert "baggage" not in response.request.headers
        session.get(server.url())
        assert not server.requests[-1].values("baggage")
        session.close()


@pytest.mark.usefixtures("instrumented")
def test_a_class_of_adapters_is_as_before_after_uninstrument(server: RecordingServer) -> None:
    before = inspect.unwrap(requests.adapters.HTTPAdapter.send)
    with requests.Session() as session:
        session.get(server.url())
    synthetic.uninstrument("requests")
    assert requests.adapters.HTTPAdapter.send is before
    synthetic.instrument("requests")
