"""urllib3: a client, and the header that arrived."""

from __future__ import annotations

import urllib3

import synthetic
from tests.matrix.cases import Case, Hop, judged
from tests.support.recording_server import RecordingServer


def _pass_on(case: Case, server: RecordingServer) -> str:
    synthetic.instrument("urllib3")
    server.requests.clear()
    try:
        with case.work() as baggage, urllib3.PoolManager() as manager:
            manager.request("GET", server.url(), headers={} if baggage is None else {"baggage": baggage})
    except synthetic.UnverifiedMarker:
        assert not server.requests
        return "refused"
    return judged(server.only.values("baggage"))


def _contrib() -> None:
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

    URLLib3Instrumentor().instrument()


HOPS: list[Hop] = [Hop("urllib3, client", "urllib3", _pass_on, {"contrib": _contrib}, servers=RecordingServer)]
