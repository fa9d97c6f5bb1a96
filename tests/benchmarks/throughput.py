"""Requests per second of a Starlette application on uvicorn, with the middleware and without it.

The second is one of the server's processor: what a busy server gets through, whoever else uses the machine.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from tests.benchmarks.material import HEADERS
from tests.benchmarks.measure import Effort
from tests.benchmarks.table import Goal, Row, at_least
from tests.support.keys import entry, mint, shared_key

Headers = tuple[tuple[str, str], ...]

_CONNECTIONS = 8
"""Enough that a request always waits for the server, and the server for none."""

_REQUESTS = 200
"""In one slice: some ten milliseconds."""


def served(effort: Effort) -> Iterator[Row]:
    """Real requests and, for information, simulated ones."""
    keys = shared_key()
    with _server(json.dumps(keys)) as ports:
        clients = [Client(port) for port in ports]
        _rates(clients, HEADERS, 4)
        bare, marked, installed = _rates(clients, HEADERS, effort.slices)
        simulated = (*HEADERS, ("baggage", entry(mint(keys))))
        bare_to_simulated, marked_simulated, _ = _rates(clients, simulated, effort.slices // 4)
    yield _row("real, the ASGI middleware", marked, bare, at_least(0.97))
    yield _row("real, install(app)", installed, bare, at_least(0.97))
    yield _row("simulated, the ASGI middleware", marked_simulated, bare_to_simulated)


def _row(kind: str, ours: float, peer: float, goal: Goal | None = None) -> Row:
    return Row(f"Starlette on uvicorn, {kind}: requests", ours, "without the middleware", peer, goal, unit="/s")


def _rates(clients: list[Client], headers: Headers, slices: int) -> list[float]:
    rates: dict[Client, list[float]] = {client: [] for client in clients}
    order = list(clients)
    for _ in range(slices):
        for client in order:
            rates[client].append(client.per_second(_REQUESTS, headers))
        order.reverse()
    return [median(rates[client]) for client in clients]


class Client:
    """Some keep-alive connections, on each of which one request is always under way."""

    def __init__(self, port: int) -> None:
        self._connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(_CONNECTIONS)]
        for connection in self._connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def per_second(self, number: int, headers: Headers) -> float:
        """Make so many requests and return how many of them the server does in a second."""
        request = _request("/rides/17", headers)
        start = self._busy()
        for connection in self._connections:
            connection.sendall(request)
        for _ in range(number // _CONNECTIONS - 1):
            for connection in self._connections:
                self._answer(connection)
                connection.sendall(request)
        for connection in self._connections:
            self._answer(connection)
        return number / (self._busy() - start)

    def _busy(self) -> float:
        self._connections[0].sendall(_request("/busy", ()))
        return float(json.loads(self._answer(self._connections[0]).partition(b"\r\n\r\n")[2])["seconds"])

    def _answer(self, connection: socket.socket) -> bytes:
        answer = connection.recv(65536)
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"the server answered {answer!r}")
        return answer


def _request(path: str, headers: Headers) -> bytes:
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers or HEADERS[:1]), "", ""]
    return "\r\n".join(lines).encode()


@contextmanager
def _server(keys: str) -> Iterator[list[int]]:
    command = [sys.executable, "-m", "tests.benchmarks.server", keys]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield [int(process.stdout.readline()) for _ in range(3)]
        finally:
            process.stdin.close()
