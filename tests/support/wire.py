"""A plain HTTP/1.1 client on a socket: pipelining, duplicated headers, odd bytes, half-read responses."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.support.servers import PATIENCE

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Response:
    """``headers`` have lower-case names, in the order in which they came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


def request_bytes(path: str, headers: Headers = (), *, method: str = "GET", body: bytes = b"") -> bytes:
    """A request as it goes on the wire; header values in latin-1, one character a byte."""
    length = [("content-length", str(len(body)))] if body or method == "POST" else []
    lines = [f"{method} {path} HTTP/1.1", "host: test", *(f"{name}: {value}" for name, value in (*headers, *length))]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection:
    """One connection; a new one is opened when the server has closed it after a response."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open()

    def _open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        self._file = self.socket.makefile("rb")
        self.is_over = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def request(self, path: str, headers: Headers = (), *, method: str = "GET", body: bytes = b"") -> Response:
        if self.is_over:
            self.close()
            self._open()
        self.send(request_bytes(path, headers, method=method, body=body))
        return self.response()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        line = self._file.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        return line.rstrip(b"\r\n")

    def line_after(self, start: bytes) -> bytes:
        """The rest of the next line that starts so, whatever the framing around it."""
        while True:
            line = self.line()
            if line.startswith(start):
                return line[len(start) :]

    def lines_after(self, start: bytes) -> Iterator[bytes]:
        """All such lines, until the server closes the connection."""
        while True:
            try:
                yield self.line_after(start)
            except ConnectionError:
                return

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        version, status, *_ = self.line().split(b" ", 2)
        headers = []
        while line := self.line():
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name.lower(), value.strip()))
        self.is_over = version == b"HTTP/1.0" or ("connection", "close") in headers
        return int(status), headers

    def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        return self._file.read()

    def response(self) -> Response:
        status, headers = self.head()
        named = dict(headers)
        if "chunked" in named.get("transfer-encoding", ""):
            body = self._chunks()
        elif "content-length" in named:
            body = self._file.read(int(named["content-length"]))
        else:
            body, self.is_over = self._file.read(), True
        return Response(status, headers, body)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.line(), 16):
            body += self._file.read(size)
            self.line()
        self.line()
        return body


def get(port: int, path: str, headers: Headers = ()) -> Response:
    """One request on a connection of its own."""
    with Connection(port) as connection:
        return connection.request(path, headers)
