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
    SENTRY,
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


def foreign(effort: Effort) -> Iterator[Row]:
    """Requests with other people's baggage: what that adds to the same requests without it."""
    with synthetic.configured(keys=(keys := shared_key())):
        ours = entry(mint(keys))
        application = SyntheticTrafficMiddleware(asgi_application)
        headers: dict[str, tuple[str, ...]] = {
            "real": (),
            "real, foreign": (SENTRY,),
            "alone": (ours,),
            "after": (f"{SENTRY},{ours}",),
            "second": (SENTRY, ours),
            "before": (f"{ours},{SENTRY}",),
        }
        cases = {}
        for name, values in headers.items():
            sent = HEADERS + tuple(("baggage", value) for value in values)
            cases[name] = _case(application, sent)
            cases[f"bare, {name}"] = _case(asgi_application, sent)
        times = interleaved(cases, effort.rounds)
    added = {name: times.added(name, f"bare, {name}") for name in headers}
    what = "ASGI, real, with Sentry's baggage: added time"
    yield Row(what, added["real, foreign"], "without baggage", added["real"], at_most(2.5))
    for place, name, limit in (
        ("after Sentry's baggage", "after", 1.8),
        ("in a second header", "second", 2.0),
        ("before Sentry's baggage", "before", 1.2),
    ):
        what = f"ASGI, simulated, {place}: added time"
        yield Row(what, added[name], "alone", added["alone"], at_most(limit))


def many_actors(effort: Effort) -> Iterator[Row]:
    """Actors in turn, each with its token, all of which are remembered."""
    few, many = 1_000, 100_000
    keys = shared_key()
    with synthetic.configured(keys=keys, remembered_tokens=many):
        values = [entry(mint(keys, claims={"sub": f"rider-{n}"})).encode() for n in range(many)]
        bare, few_in_turn, many_in_turn = (
            _in_turn(application, values[:number])
            for application, number in (
                (asgi_application, few),
                (SyntheticTrafficMiddleware(asgi_application), few),
                (SyntheticTrafficMiddleware(asgi_application), many),
            )
        )
        few_in_turn.run(few)
        many_in_turn.run(many)  # every token is verified once
        times = interleaved({"bare": bare, "few": few_in_turn, "many": many_in_turn}, effort.rounds // 4)
    what = f"ASGI, simulated, {many:,} actors in turn: added time"
    yield Row(what, times.added("many", "bare"), f"{few:,} actors", times.added("few", "bare"), at_most(1.5))


def _in_turn(application: Any, values: list[bytes]) -> Case:
    code = _CALL.replace("loads(headers)", "[*loads(headers), (b'baggage', next(values))]")
    names: dict[str, Any] = {"loads": marshal.loads, "receive": receive, "send": send}
    scope = scope_of(HEADERS)
    raw = marshal.dumps(scope["headers"])
    run = statement(code, application=application, scope=scope, headers=raw, values=cycle(values), **names)
    return Case(run, number=1_000)


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
