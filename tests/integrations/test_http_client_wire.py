"""http.client and urllib.request, instrumented: what goes over the wire, and what both do as always."""

from __future__ import annotations

import http.client
import inspect
import socket
import threading
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import synthetic
from synthetic_http_client import ExternalRequestRefused
from tests.support.clients import OURS, THEIRS, brought_by_opentelemetry, has_no_marker, token_of
from tests.support.keys import mint, shared_key
from tests.support.recording_server import Answer, Recorded, RecordingServer
from tests.support.switches import instrumented


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_PROXY", "*")
    synthetic.configure(keys=keys, internal_hosts=[OURS])
    with instrumented("http-client"):
        yield


@pytest.fixture(params=["real", "simulated"])
def either_work(request: pytest.FixtureRequest) -> Iterator[str]:
    with synthetic.real() if request.param == "real" else synthetic.simulated(run="rush-hour"):
        yield request.param


class Listener:
    """Takes connections, answers each request with 200 and no body, and keeps the bytes of it."""

    def __init__(self, listening: socket.socket, *, tunnels: bool = False) -> None:
        self.heads: list[bytes] = []
        self._tunnels = tunnels
        self._listening = listening
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def lines(self, number: int = 0) -> list[bytes]:
        return self.heads[number].split(b"\r\n")[:-2]

    def baggage(self, number: int = 0) -> list[bytes]:
        return [line[8:].strip() for line in self.lines(number) if line.lower().startswith(b"baggage:")]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with suppress(ConnectionError), connection, connection.makefile("rb") as file:
                while self._answer(connection, file):
                    pass

    def _answer(self, connection: socket.socket, file: Any) -> bool:
        lines = list(iter(file.readline, b"\r\n")) if file.peek(1) else []
        if not lines:
            return False
        self.heads.append(b"".join(lines) + b"\r\n")
        is_tunnel = lines[0].startswith(b"CONNECT")
        assert self._tunnels or not is_tunnel
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"" if is_tunnel else b"Content-Length: 0\r\n") + b"\r\n")
        return True


@contextmanager
def listening(**options: Any) -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Listener(server, **options)


def asked_once(connection: http.client.HTTPConnection) -> int:
    with closing(connection):
        return asked(connection)


def asked(connection: http.client.HTTPConnection, url: str = "/", **options: Any) -> int:
    connection.request("GET", url, **options)
    with connection.getresponse() as response:
        response.read()
        return response.status


# Lines


def test_baggage_lines_of_others_are_joined_behind_the_marker() -> None:
    with listening() as server, synthetic.simulated(run="rush-hour"):
        stale = synthetic.headers()["baggage"]
        connection = http.client.HTTPConnection(OURS, server.port, timeout=60)
        connection.putrequest("GET", "/")
        connection.putheader("Baggage", "a=1, b=2")
        connection.putheader("X-Own", "kept")
        connection.putheader("BAGGAGE", b"c=\xff")
        connection.putheader("baggage", stale)
        connection.endheaders()
        assert connection.getresponse().status == 200
        connection.close()
        assert server.baggage() == [f"{stale},a=1, b=2,c=".encode() + b"\xff"]
        assert b"X-Own: kept" in server.lines()


def test_the_baggage_lines_of_real_work_are_not_changed() -> None:
    with listening() as server, synthetic.real():
        connection = http.client.HTTPConnection(OURS, server.port, timeout=60)
        connection.putrequest("GET", "/")
        connection.putheader("baggage", "a=1")
        connection.putheader("Baggage", "b=2", "c=3")
        connection.endheaders()
        connection.getresponse()
        connection.close()
        assert server.lines()[-3:] == [b"baggage: a=1", b"Baggage: b=2", b"\tc=3"]


# Bodies and versions


def test_a_chunked_body_is_sent_whole_and_generated_under_the_verdict(
    server: RecordingServer, either_work: str
) -> None:
    seen: list[bool] = []

    def steps() -> Iterator[bytes]:
        for step in (b"one", b"two", b""):
            seen.append(synthetic.is_synthetic())
            yield step

    connection = http.client.HTTPConnection(OURS, server.port, timeout=60)
    connection.request("POST", "/", body=steps())
    assert connection.getresponse().read() == b"ok"
    connection.request("POST", "/text", body="text", headers={"baggage": "a=1"})
    assert connection.getresponse().read() == b"ok"
    connection.putrequest("POST", "/by-hand")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders([b"three"], encode_chunked=True)
    assert connection.getresponse().read() == b"ok"
    connection.close()
    assert [request.body for request in server.requests] == [b"onetwo", b"text", b"three"]
    assert seen == [either_work == "simulated"] * 3
    assert [has_no_marker(request) for request in server.requests] == [either_work == "real"] * 3


def test_a_request_of_http_1_0_carries_the_marker() -> None:
    class Old(http.client.HTTPConnection):
        _http_vsn = 10
        _http_vsn_str = "HTTP/1.0"

    with listening() as server, synthetic.simulated(run="rush-hour"):
        assert asked_once(Old(OURS, server.port, timeout=60)) == 200
        assert server.lines()[0] == b"GET / HTTP/1.0"
        assert server.baggage() == [synthetic.headers()["baggage"].encode()]


# Where a connection leads


def test_a_call_through_a_tunnel_is_decided_by_the_host_at_its_other_end(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=["payments"])
    with listening(tunnels=True) as proxy, synthetic.simulated(run="rush-hour"):
        connection = http.client.HTTPConnection(OURS, proxy.port, timeout=60)
        connection.set_tunnel("payments", 80, {"Proxy-Authorization": "secret"})
        assert asked(connection) == 200
        connection.close()
        connect, request = proxy.heads
        assert connect.startswith(b"CONNECT payments:80")
        assert b"synthetic-traffic" not in connect
        assert b"synthetic-traffic" in request


def test_through_a_tunnel_to_an_undeclared_host_nothing_is_sent() -> None:
    with listening(tunnels=True) as proxy, synthetic.simulated(run="rush-hour"):
        connection = http.client.HTTPConnection(OURS, proxy.port, timeout=60)
        connection.set_tunnel("api.vendor.example", 443)
        with pytest.raises(ExternalRequestRefused) as refused:
            asked(connection)
        assert refused.value.host == "api.vendor.example"
        assert not proxy.heads


@pytest.mark.parametrize("simulated", [True, False])
def test_a_call_through_a_proxy_is_decided_by_the_host_of_its_url(
    server: RecordingServer, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch, simulated: bool
) -> None:
    monkeypatch.delenv("NO_PROXY")
    synthetic.configure(keys=keys, internal_hosts=["payments"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": server.url()}))
    with synthetic.simulated(run="rush-hour") if simulated else synthetic.real():
        opener.open("http://payments/charges", timeout=60).close()
        if simulated:
            with pytest.raises(ExternalRequestRefused, match=r"vendor\.example"):
                opener.open("http://api.vendor.example/", timeout=60)
    assert server.only.path == "http://payments/charges"
    assert has_no_marker(server.only) is not simulated


@pytest.mark.parametrize(
    "url",
    [
        "http://{theirs}/",
        "HTTP://{theirs}:80/",
        "http://{ours}@{theirs}/",
        "http://{theirs}\\@{ours}/",
        "http://{ours}\\@{theirs}/",
        "http://a@b@{ours}/",
        "http://{theirs}#@{ours}/",
        "http://{theirs}?@{ours}/",
        "http:///{ours}/",
        "http://[{ours}/",
        "ftp://{theirs}/",
    ],
)
def test_no_spelling_of_a_url_for_a_proxy_gets_the_marker_to_an_undeclared_host(
    server: RecordingServer, url: str
) -> None:
    connection = http.client.HTTPConnection(OURS, server.port, timeout=60)
    with synthetic.simulated(run="rush-hour"), pytest.raises((ExternalRequestRefused, ValueError)):
        asked(connection, url.format(ours=OURS, theirs="vendor.example"))
    assert not server.requests
    assert connection.sock is None


def test_the_method_connect_names_its_host() -> None:
    with listening(tunnels=True) as proxy, synthetic.simulated(run="rush-hour"):
        connection = http.client.HTTPConnection(OURS, proxy.port, timeout=60)
        with pytest.raises(ExternalRequestRefused, match=r"vendor\.example"):
            connection.request("CONNECT", "vendor.example:443")
        connection.request("CONNECT", f"{OURS}:443")
        connection.close()


def test_an_ipv6_address_matches_its_declaration(keys: dict[str, Any]) -> None:
    try:
        server = RecordingServer("::1")
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    with server, synthetic.simulated(run="rush-hour"):
        with pytest.raises(ExternalRequestRefused, match="::1"):
            urllib.request.urlopen(server.url(), timeout=60)
        synthetic.configure(keys=keys, internal_hosts=["::1"])
        urllib.request.urlopen(server.url(), timeout=60).close()
    assert token_of(server.only)


def test_a_call_over_a_unix_socket_is_decided_by_the_host_of_its_connection(
    tmp_path: Path, keys: dict[str, Any]
) -> None:
    path = str(tmp_path / "socket")

    class Local(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(path)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        server = Listener(listener)
        synthetic.configure(keys=keys)
        with synthetic.simulated(run="rush-hour"):
            assert asked_once(Local("localhost")) == 200
            with pytest.raises(ExternalRequestRefused):
                asked_once(Local(path))
        assert len(server.heads) == 1
        assert server.baggage()


def test_a_url_without_a_leading_slash_goes_where_the_connection_leads(server: RecordingServer) -> None:
    connection = http.client.HTTPConnection(OURS, server.port, timeout=60)
    with synthetic.simulated(run="rush-hour"):
        asked(connection, "a/b?next=http://vendor.example/")
        asked(connection, "*")
    connection.close()
    assert all(token_of(request) for request in server.requests)


# After a refusal


def test_a_refused_request_leaves_nothing_for_the_next_one(server: RecordingServer, keys: dict[str, Any]) -> None:
    connection = http.client.HTTPConnection(THEIRS, server.port, timeout=60)
    with synthetic.simulated(run="rush-hour"):
        for _ in range(2):
            with pytest.raises(ExternalRequestRefused):
                connection.request("POST", "/refused", body=b"secret", headers={"X-Secret": "1"})
    with brought_by_opentelemetry(mint(shared_key())), pytest.raises(synthetic.UnverifiedMarker):
        connection.request("GET", "/unverified")
    assert asked(connection, "/real") == 200
    synthetic.configure(keys=keys, internal_hosts=[THEIRS])
    with synthetic.simulated(run="rush-hour"):
        assert asked(connection, "/simulated") == 200
    connection.close()
    assert [request.path for request in server.requests] == ["/real", "/simulated"]
    assert not any(request.values("x-secret") for request in server.requests)
    assert token_of(server.requests[1])


def test_urllib_raises_a_refusal_unchanged(server: RecordingServer) -> None:
    server.redirect("/", server.url("/steal", host=THEIRS))
    with synthetic.simulated(run="rush-hour"), pytest.raises(ExternalRequestRefused) as refused:
        urllib.request.urlopen(server.url(), timeout=60)
    assert isinstance(refused.value, http.client.HTTPException)
    assert not isinstance(refused.value, urllib.error.URLError)


# As always


def test_xmlrpc_is_covered_because_it_uses_http_client(server: RecordingServer, either_work: str) -> None:
    server.answers["/RPC2"] = Answer(body=xmlrpc.client.dumps(("pong",), methodresponse=True).encode())
    with xmlrpc.client.ServerProxy(server.url("/RPC2")) as proxy:
        assert proxy.ping() == "pong"
    assert has_no_marker(server.only) is (either_work == "real")


@pytest.mark.usefixtures("either_work")
def test_the_library_still_raises_its_own_errors(server: RecordingServer) -> None:
    server.answers["/missing"] = Answer(404)
    server.redirect("/loop", server.url("/loop"))
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(server.url("/missing"), timeout=60)
    missing.value.close()
    with pytest.raises(urllib.error.HTTPError, match="infinite loop") as looped:
        urllib.request.urlopen(server.url("/loop"), timeout=60)
    looped.value.close()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(TimeoutError):
            asked_once(http.client.HTTPConnection(OURS, silent.getsockname()[1], timeout=0.05))
        port = silent.getsockname()[1]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{OURS}:{port}/", timeout=60)
    connection = http.client.HTTPConnection(OURS, server.port, timeout=60)
    with pytest.raises(http.client.CannotSendHeader):
        connection.endheaders()
    connection.putrequest("GET", "/")
    with pytest.raises(http.client.CannotSendRequest):
        connection.putrequest("GET", "/")


def test_a_request_object_is_reused_across_a_flip_of_the_mark(server: RecordingServer) -> None:
    request = urllib.request.Request(server.url(), headers={"baggage": "a=1"})
    with synthetic.simulated(run="rush-hour"):
        urllib.request.urlopen(request, timeout=60).close()
    urllib.request.urlopen(request, timeout=60).close()
    first, second = server.requests
    assert token_of(first)
    assert second.values("baggage") == ["a=1"]
    assert request.headers == {"Baggage": "a=1"}


@pytest.mark.usefixtures("either_work")
def test_digest_authentication_and_cookies_work(server: RecordingServer) -> None:
    def challenge(request: Recorded) -> Answer:
        if request.values("authorization"):
            return Answer(headers=(("Set-Cookie", "seat=12"),))
        return Answer(401, (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),))

    server.answers["/"] = challenge
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, server.url(), "rider", "secret")
    opener = urllib.request.build_opener(
        urllib.request.HTTPDigestAuthHandler(passwords), urllib.request.HTTPCookieProcessor()
    )
    opener.open(server.url(), timeout=60).close()
    opener.open(server.url("/next"), timeout=60).close()
    assert len(server.requests) == 3
    assert server.requests[-1].values("cookie") == ["seat=12"]
    assert len({tuple(request.values("baggage")) for request in server.requests}) == 1


def test_the_patched_method_keeps_its_signature() -> None:
    patched: Callable[..., Any] = http.client.HTTPConnection.endheaders
    assert patched.__name__ == "endheaders"
    assert list(inspect.signature(patched).parameters) == ["self", "message_body", "encode_chunked"]


def test_a_subclass_that_overrides_endheaders_is_covered(server: RecordingServer) -> None:
    class Own(http.client.HTTPConnection):
        def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
            self.putheader("X-Own", "1")
            super().endheaders(message_body, encode_chunked=encode_chunked)

    with synthetic.simulated(run="rush-hour"):
        asked_once(Own(OURS, server.port, timeout=60))
    assert token_of(server.only)
    assert server.only.values("x-own") == ["1"]
