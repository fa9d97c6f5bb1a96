"""ASGI: what a middleware adds to a request, over the bare application."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import jwt
from asgi_correlation_id import CorrelationIdMiddleware
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.benchmarks.material import (
    ENVIRONMENT,
    HEADERS,
    ISSUER,
    asgi_application,
    receive,
    scope_of,
    send,
    with_request_id,
)
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most, at_most_one_in
from tests.support.keys import eddsa_pair, entry, mint, shared_key

_PEER = "asgi-correlation-id"
_OPENTELEMETRY = "OpenTelemetry ASGI, no-op tracer"

# No event loop: nothing here ever waits. The headers are new objects each time, as from a server: what their hashes
# cost is part of it.
_CALL = """
coroutine = application({**scope, "headers": loads(headers)}, receive, send)
try:
    coroutine.send(None)
except StopIteration:
    pass
"""


def requests(effort: Effort) -> Iterator[Row]:
    """Real and simulated requests; a token comes again and again, as those of a run do."""
    with synthetic.configured(keys=(keys := shared_key())):
        baggage = (("baggage", entry(mint(keys))),)
        ours = SyntheticTrafficMiddleware(asgi_application)
        theirs = CorrelationIdMiddleware(asgi_application)
        opentelemetry = OpenTelemetryMiddleware(
            asgi_application, tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider()
        )
        times = interleaved(
            {
                "bare": _case(asgi_application, HEADERS),
                "real": _case(ours, HEADERS),
                "id given": _case(theirs, with_request_id()),
                "id generated": _case(theirs, HEADERS),
                "opentelemetry": _case(opentelemetry, HEADERS),
                "simulated": _case(ours, HEADERS + baggage),
                "simulated, id given": _case(theirs, with_request_id() + baggage),
                "simulated, id generated": _case(theirs, HEADERS + baggage),
            },
            effort.rounds,
        )
    real, simulated = times.added("real", "bare"), times.added("simulated", "bare")
    peer = min(times.added("id given", "bare"), times.added("id generated", "bare"))
    yield Row("ASGI, real: added time", real, _PEER, peer, at_most_one_in(6))
    yield Row("ASGI, real: added time", real, _OPENTELEMETRY, times.added("opentelemetry", "bare"), at_most_one_in(80))
    peer = min(times.added("simulated, id given", "bare"), times.added("simulated, id generated", "bare"))
    yield Row("ASGI, simulated, token seen before: added time", simulated, _PEER, peer, at_most(1.0))


def new_tokens(effort: Effort) -> Iterator[Row]:
    """Simulated requests with a token each that was never seen before."""
    yield _new_token("HS256", keys := shared_key(), keys, effort)
    yield _new_token("EdDSA", *eddsa_pair(), effort)


def _new_token(algorithm: str, private: Any, public: Any, effort: Effort) -> Row:
    number = 200
    tokens = [mint(private, claims={"sub": f"rider-{n}"}) for n in range(number)]
    headers = [marshal.dumps(scope_of((*HEADERS, ("baggage", entry(token))))["headers"]) for token in tokens]
    key = jwt.PyJWK(public["keys"][0], algorithm).key
    code = _CALL.replace("loads(headers)", "loads(next(headers))")
    names: dict[str, Any] = {
        "scope": scope_of(HEADERS),
        "headers": cycle(headers),
        "loads": marshal.loads,
        "receive": receive,
        "send": send,
    }
    ours = SyntheticTrafficMiddleware(asgi_application)
    times = interleaved(
        {
            "bare": Case(statement(code, application=asgi_application, **names), number=number),
            # New keys for each sample: nothing is remembered of the tokens.
            "ours": Case(statement(code, application=ours, **names), lambda: synthetic.configured(keys=public), number),
            "peer": Case(
                statement(
                    "decode(next(tokens), key, algorithms=algorithms, audience=audience, issuer=issuer)",
                    decode=jwt.decode,
                    tokens=cycle(tokens),
                    key=key,
                    algorithms=[algorithm],
                    audience=ENVIRONMENT,
                    issuer=ISSUER,
                ),
                number=number,
            ),
        },
        effort.rounds // 4,
    )
    return Row(
        f"ASGI, simulated, new token ({algorithm}): added time",
        times.added("ours", "bare"),
        "jwt.decode",
        times.of("peer"),
        at_most(1.3),
    )


def _case(application: Any, headers: tuple[tuple[str, str], ...]) -> Case:
    scope = scope_of(headers)
    raw = marshal.dumps(scope["headers"])
    return Case(
        statement(
            _CALL,
            application=application,
            scope=scope,
            headers=raw,
            loads=marshal.loads,
            receive=receive,
            send=send,
        )
    )
