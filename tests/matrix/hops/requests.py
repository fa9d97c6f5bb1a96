"""requests: a session, and the header that arrived."""

from __future__ import annotations

import requests

import synthetic
from tests.matrix.cases import Case, Hop, judged
from tests.support.recording_server import RecordingServer


def _pass_on(case: Case, server: RecordingServer) -> str:
    synthetic.instrument("requests")
    server.requests.clear()
    try:
        with case.work() as baggage, requests.Session() as session:
            session.get(server.url(), headers={} if baggage is None else {"baggage": baggage})
    except synthetic.UnverifiedMarker:
        assert not server.requests
        return "refused"
    return judged(server.only.values("baggage"))


def _contrib() -> None:
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    RequestsInstrumentor().instrument()


HOPS: list[Hop] = [Hop("requests, session", "requests", _pass_on, {"contrib": _contrib}, servers=RecordingServer)]
