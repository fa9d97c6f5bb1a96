"""http.client: what a call by urllib.request costs more than the bare one, on a socket that sends nothing."""

from __future__ import annotations

import http.client
import io
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from tests.benchmarks.compared import rows_of_calls
from tests.benchmarks.measure import Effort, statement
from tests.benchmarks.table import Row
from tests.products import http_client as product

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class NullSocket:
    """Takes everything, and answers at once."""

    def sendall(self, data: bytes) -> None:
        pass

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(_ANSWER)

    def settimeout(self, timeout: float | None) -> None:
        pass

    def close(self) -> None:
        pass


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock: Any = NullSocket()


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Connection, req)


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated calls."""
    peer = "OpenTelemetry urllib, no-op tracer"
    return rows_of_calls("http.client", product.NAME, _calls, product.instrumentor, peer, effort)


def _calls() -> Callable[[int], float]:
    opener = urllib.request.build_opener(_Handler(), urllib.request.ProxyHandler({}))
    return statement("opener.open('http://payments/charges/17')", opener=opener)
