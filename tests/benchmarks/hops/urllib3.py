"""urllib3: what a call costs more than the bare one, on a socket that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

import synthetic
from tests.benchmarks.hops.http_client import NullSocket
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import shared_key

_PEER = "OpenTelemetry urllib3, no-op tracer"


class _Connection(HTTPConnection):
    is_connected = True

    def connect(self) -> None:
        self.sock: Any = NullSocket()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated calls."""
    with synthetic.configured(keys=shared_key()):
        for kind, verdict in (("real", synthetic.real), ("simulated", lambda: synthetic.simulated(run="bench"))):
            times = interleaved(
                {
                    "bare": _case(verdict),
                    "ours": _case(verdict, _ours),
                    "peer": _case(verdict, _opentelemetry),
                },
                effort.rounds // 2,
            )
            added, peer = times.added("ours", "bare"), times.added("peer", "bare")
            goal = at_most_one_in(10) if kind == "real" else None
            yield Row(f"urllib3, {kind}: added time", added, _PEER, peer, goal)


def _case(verdict: Callable[[], Any], installed: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Case:
    pool = _Pool("payments")

    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(verdict())
            stack.enter_context(installed())
            yield

    code = "pool.urlopen('GET', '/charges/17', headers={'Accept': '*/*'})"
    return Case(statement(code, pool=pool), around, number=60, warm=200)


@contextmanager
def _ours() -> Iterator[None]:
    synthetic.instrument("urllib3")
    try:
        yield
    finally:
        synthetic.uninstrument("urllib3")


@contextmanager
def _opentelemetry() -> Iterator[None]:
    instrumentor = URLLib3Instrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()
