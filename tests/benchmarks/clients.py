"""requests: what a call costs more than the bare one, on an adapter that sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider
from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter

import synthetic
from synthetic_requests import SyntheticAdapter
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in, at_most_percent
from tests.support.keys import shared_key

_PEER = "OpenTelemetry requests, no-op tracer"


class NullAdapter(BaseAdapter):
    """Answers at once."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        response = Response()
        response.status_code = 200
        response.request = request
        response.url = str(request.url)
        response._content = b"{}"
        return response

    def close(self) -> None:
        """Nothing to close."""


def called(effort: Effort) -> Iterator[Row]:
    """Real and simulated calls, with either way of installing."""
    with synthetic.configured(keys=shared_key()):
        for kind, verdict, limit in (
            ("real", synthetic.real, 2),
            ("simulated", lambda: synthetic.simulated(run="bench"), 8),
        ):
            yield from _rows(kind, verdict, limit, effort)


def _rows(kind: str, verdict: Callable[[], Any], limit: float, effort: Effort) -> Iterator[Row]:
    times = interleaved(
        {
            "bare": _case(NullAdapter(), verdict),
            "instrument()": _case(NullAdapter(), verdict, _ours),
            "SyntheticAdapter": _case(SyntheticAdapter(NullAdapter()), verdict),
            "peer": _case(NullAdapter(), verdict, _opentelemetry),
        },
        effort.rounds // 6,
    )
    for way in ("instrument()", "SyntheticAdapter"):
        what = f"requests, {kind}, {way}: added time"
        added = times.added(way, "bare")
        yield Row(what, added, "the bare call", times.of("bare"), at_most_percent(limit))
        yield Row(what, added, _PEER, times.added("peer", "bare"), at_most_one_in(4))


def _case(
    adapter: BaseAdapter,
    verdict: Callable[[], Any],
    installed: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Case:
    session = Session()
    session.mount("http://", adapter)

    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(verdict())
            stack.enter_context(installed())
            yield

    return Case(statement("get('http://payments/charges/17')", get=session.get), around, number=40, warm=60)


@contextmanager
def _ours() -> Iterator[None]:
    synthetic.instrument("requests")
    try:
        yield
    finally:
        synthetic.uninstrument("requests")


@contextmanager
def _opentelemetry() -> Iterator[None]:
    instrumentor = RequestsInstrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()
