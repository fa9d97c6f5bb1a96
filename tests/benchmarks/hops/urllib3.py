"""urllib3: what a call costs more than the bare one, on a socket that sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from tests.benchmarks.compared import rows_of_calls
from tests.benchmarks.hops.http_client import NullSocket
from tests.benchmarks.measure import Effort, statement
from tests.benchmarks.table import Row
from tests.products import urllib3 as product


class _Connection(HTTPConnection):
    is_connected = True

    def connect(self) -> None:
        self.sock: Any = NullSocket()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated calls."""
    peer = "OpenTelemetry urllib3, no-op tracer"
    return rows_of_calls("urllib3", product.NAME, _calls, product.instrumentor, peer, effort)


def _calls() -> Callable[[int], float]:
    return statement("pool.urlopen('GET', '/charges/17', headers={'Accept': '*/*'})", pool=_Pool("payments"))
