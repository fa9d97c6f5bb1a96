"""http.client: what a call by urllib.request costs more than the bare one, on a socket that is none."""

from __future__ import annotations

import http.client
import io
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import shared_key

_PEER = "OpenTelemetry urllib, no-op tracer"
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
            yield Row(f"http.client, {kind}: added time", added, _PEER, peer, goal)


def _case(verdict: Callable[[], Any], installed: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Case:
    opener = urllib.request.build_opener(_Handler(), urllib.request.ProxyHandler({}))

    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(verdict())
            stack.enter_context(installed())
            yield

    return Case(statement("opener.open('http://payments/charges/17')", opener=opener), around, number=60, warm=200)


@contextmanager
def _ours() -> Iterator[None]:
    synthetic.instrument("http-client")
    try:
        yield
    finally:
        synthetic.uninstrument("http-client")


@contextmanager
def _opentelemetry() -> Iterator[None]:
    instrumentor = URLLibInstrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()
