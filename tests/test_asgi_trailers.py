"""HTTP trailers: uvicorn with httptools appends them to the headers while the application reads the body."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest

import synthetic
from synthetic._egress.departure import depart
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.keys import entry, mint
from tests.support.servers import uvicorn_server

pytest.importorskip("httptools")


class Application:
    """Tells what it sees of the baggage before and after it has read the body, and what its calls would carry."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        before = _baggage_in(scope)
        self.has_begun.set()
        while (await receive()).get("more_body"):
            pass
        after = _baggage_in(scope)
        sent = depart("http://payments/", after[-1] if after else None).header
        told = {"before": before, "after": after, "simulated": synthetic.is_synthetic(), "sent": sent}
        body = json.dumps(told).encode()
        length = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body})


def _baggage_in(scope: Any) -> list[str]:
    return [value.decode() for name, value in scope["headers"] if name == b"baggage"]


def _ask(port: int, application: Application, header: str, trailer: str) -> dict[str, Any]:
    """Send a request whose trailer follows once the application handles it."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{header}\r\n1\r\na\r\n"
        sock.sendall(head.encode())
        assert application.has_begun.wait(60)
        sock.sendall(f"0\r\n{trailer}\r\n".encode())
        answer = b""
        while received := sock.recv(65536):
            answer += received
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2]))


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_a_trailer_changes_nothing_that_a_simulated_request_sees(keys: dict[str, Any], http: Any) -> None:
    synthetic.configure(keys=keys)
    application, mine, other = Application(), entry(mint(keys)), entry(mint(keys, claims={"run": "other"}))
    with uvicorn_server(SyntheticTrafficMiddleware(application), lifespan="off", http=http) as port:
        told = _ask(port, application, f"baggage: {mine}\r\n", f"baggage: {other}\r\n")
    assert told == {"before": [mine], "after": [mine], "simulated": True, "sent": mine}


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_a_trailer_never_makes_a_real_request_simulated_and_is_not_sent_on(keys: dict[str, Any], http: Any) -> None:
    synthetic.configure(keys=keys)
    application = Application()
    with uvicorn_server(SyntheticTrafficMiddleware(application), lifespan="off", http=http) as port:
        told = _ask(port, application, "", f"baggage: {entry(mint(keys))}\r\n")
    assert (told["before"], told["simulated"], told["sent"]) == ([], False, None)
