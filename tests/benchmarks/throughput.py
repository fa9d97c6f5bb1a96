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
from tests.benchmarks.table import Row, at_least
from tests.support.keys import entry, mint, shared_key

Headers = tuple[tuple[str, str], ...]

_CONNECTIONS = 8
"""Enough that a request always waits for the server, and the server for none."""

_REQUESTS = 400
"""In one slice: some ten milliseconds."""


def served(effort: Effort) -> Iterator[Row]:
    """Real requests and, to know it, simulated ones."""
    keys = shared_key()
    with _server(json.dumps(keys)) as (without_port, with_port):
        bare, marked = Client(without_port), Client(with_port)
        simulated = ("baggage", entry(mint(keys)))
        for client in (bare, marked):
            client.per_second(_REQUESTS, HEADERS)
        real_rates = _rates(bare, marked, HEADERS, effort.slices)
        simulated_rates = _rates(bare, marked, (*HEADERS, simulated), effort.slices)
    for kind, (theirs, ours), goal in (("real", real_rates, at_least(0.97)), ("simulated", simulated_rates, None)):
        yield Row(f"Starlette on uvicorn, {kind}", ours, "without the middleware", theirs, goal, unit="/s")


def _rates(bare: Client, marked: Client, headers: Headers, slices: int) -> tuple[float, float]:
    rates: dict[Client, list[float]] = {bare: [], marked: []}
    order = [bare, marked]
    for _ in range(slices):
        for client in order:
            rates[client].append(client.per_second(_REQUESTS, headers))
        order.reverse()
    return median(rates[bare]), median(rates[marked])


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
def _server(keys: str) -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "tests.benchmarks.server", keys]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), int(process.stdout.readline())
        finally:
            process.stdin.close()
