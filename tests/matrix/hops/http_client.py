"""http.client and urllib.request: a client, and the header that arrived."""

from __future__ import annotations

import http.client
import urllib.request
from typing import Any

import synthetic
from tests.matrix.cases import Case, Hop, judged
from tests.support.recording_server import RecordingServer


def _by_urllib(url: str, headers: dict[str, str]) -> None:
    urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60).close()


def _by_http_client(url: str, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=60)
    try:
        connection.request("GET", "/", headers=headers)
        connection.getresponse().read()
    finally:
        connection.close()


def _passing_on(call: Any) -> Any:
    def pass_on(case: Case, server: RecordingServer) -> str:
        synthetic.instrument("http-client")
        server.requests.clear()
        try:
            with case.work() as baggage:
                call(server.url(), {} if baggage is None else {"baggage": baggage})
        except synthetic.UnverifiedMarker:
            assert not server.requests
            return "refused"
        return judged(server.only.values("baggage"))

    return pass_on


def _contrib() -> None:
    from opentelemetry.instrumentation.urllib import URLLibInstrumentor

    URLLibInstrumentor().instrument()


HOPS: list[Hop] = [
    Hop(
        "urllib.request, client", "http-client", _passing_on(_by_urllib), {"contrib": _contrib}, servers=RecordingServer
    ),
    Hop("http.client, client", "http-client", _passing_on(_by_http_client), servers=RecordingServer),
]
