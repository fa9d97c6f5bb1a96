"""The hop of every HTTP client: it makes a call, and the header that arrives is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import synthetic
from tests.matrix.cases import Case, Hop, judged
from tests.support.recording_server import RecordingServer


def client_hop(
    name: str, product: str, get: Callable[[str, dict[str, str]], Any], instrumentor: Callable[[], Any] | None = None
) -> Hop:
    """``get(url, headers)`` makes the call; ``instrumentor`` makes OpenTelemetry's, where it has one."""

    def pass_on(case: Case, server: RecordingServer) -> str:
        synthetic.instrument(product)
        server.requests.clear()
        try:
            with case.work() as baggage:
                get(server.url(), {} if baggage is None else {"baggage": baggage})
        except synthetic.UnverifiedMarker:
            assert not server.requests
            return "refused"
        return judged(server.only.values("baggage"))

    telemetry = {"contrib": lambda: instrumentor().instrument()} if instrumentor else {}
    return Hop(name, product, pass_on, telemetry, servers=RecordingServer)
