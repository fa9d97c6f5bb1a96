"""requests: what a call costs more than the bare one, on an adapter that sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter

import synthetic
from synthetic_requests import SyntheticAdapter
from tests.benchmarks.compared import WORKS, Entered, around, ways
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in, at_most_percent
from tests.products import requests as product
from tests.support.keys import shared_key

_PEER = "OpenTelemetry requests, no-op tracer"
_LIMITS = {"real": 2, "simulated": 8}


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
        for kind, verdict in WORKS.items():
            yield from _rows(kind, verdict, effort)


def _rows(kind: str, verdict: Entered, effort: Effort) -> Iterator[Row]:
    bare, ours, peer = ways(product.NAME, product.instrumentor).values()
    times = interleaved(
        {
            "bare": _case(NullAdapter(), verdict, *bare),
            "instrument()": _case(NullAdapter(), verdict, *ours),
            "SyntheticAdapter": _case(SyntheticAdapter(NullAdapter()), verdict),
            "peer": _case(NullAdapter(), verdict, *peer),
        },
        effort.rounds // 6,
    )
    for way in ("instrument()", "SyntheticAdapter"):
        what = f"requests, {kind}, {way}: added time"
        added = times.added(way, "bare")
        yield Row(what, added, "the bare call", times.of("bare"), at_most_percent(_LIMITS[kind]))
        yield Row(what, added, _PEER, times.added("peer", "bare"), at_most_one_in(4))


def _case(adapter: BaseAdapter, *contexts: Entered) -> Case:
    session = Session()
    session.mount("http://", adapter)
    return Case(statement("get('http://payments/charges/17')", get=session.get), around(*contexts), number=40, warm=60)
