"""WSGI: what a middleware adds to a request, over the bare application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.benchmarks.material import HEADERS, SENTRY, environ_of, start_response, wsgi_application
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most, at_most_one_in
from tests.support.keys import entry, mint, shared_key

_PEER = "OpenTelemetry WSGI, no-op tracer"

# As servers do it; the environ is copied, for some middleware changes it.
_CALL = """
body = application({**environ}, start_response)
for chunk in body:
    pass
body.close()
"""


def requests(effort: Effort) -> Iterator[Row]:
    """Real and simulated requests."""
    with synthetic.configured(keys=(keys := shared_key())):
        baggage = (("baggage", entry(mint(keys))),)
        ours = SyntheticTrafficMiddleware(wsgi_application)
        theirs = OpenTelemetryMiddleware(
            wsgi_application, tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider()
        )
        times = interleaved(
            {
                "bare": _case(wsgi_application, HEADERS),
                "real": _case(ours, HEADERS),
                "real, foreign": _case(ours, (*HEADERS, ("baggage", SENTRY))),
                "peer": _case(theirs, HEADERS),
                "simulated": _case(ours, HEADERS + baggage),
                "simulated peer": _case(theirs, HEADERS + baggage),
            },
            effort.rounds,
        )
    for kind, peer, parts in (("real", "peer", 20), ("simulated", "simulated peer", 5)):
        yield Row(
            f"WSGI, {kind}: added time",
            times.added(kind, "bare"),
            _PEER,
            times.added(peer, "bare"),
            at_most_one_in(parts),
        )
    yield Row(
        "WSGI, real, with Sentry's baggage: added time",
        times.added("real, foreign", "bare"),
        "without baggage",
        times.added("real", "bare"),
        at_most(2.5),
    )


def _case(application: Any, headers: tuple[tuple[str, str], ...]) -> Case:
    return Case(statement(_CALL, application=application, environ=environ_of(headers), start_response=start_response))
