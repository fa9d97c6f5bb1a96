"""The verdict on the current work: its sources, their order, and what carries it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate, trace

import synthetic
from synthetic import (
    Marker,
    UnverifiedMarker,
    allows,
    current,
    guard,
    headers,
    is_synthetic,
    real,
    simulated,
    telemetry,
)
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.keys import entry, mint
from tests.support.markers import DAY, expired

KEY = "synthetic-traffic"


@contextmanager
def attached(present: context.Context) -> Iterator[None]:
    token = context.attach(present)
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def arrived(value: str) -> Iterator[None]:
    """Work that arrives through other instrumentation, with this ``baggage`` header."""
    with attached(propagate.extract({"baggage": value})):
        yield


@guard("payment")
def charge() -> str:
    return "charged"


def simulated_context() -> context.Context:
    """The OpenTelemetry context of simulated work, as thread instrumentation carries it."""
    with simulated(run="rush-hour"):
        return context.get_current()


def fresh(function: Callable[..., Any], *args: Any) -> Any:
    """Call in an empty ``contextvars`` context."""
    return contextvars.Context().run(function, *args)


ASKED: list[Callable[[], Any]] = [is_synthetic, current, headers, charge, lambda: allows("payment")]


def test_undecided_work_counts_as_real() -> None:
    assert is_synthetic() is False
    assert current() is None
    assert headers() == {}
    assert charge() == "charged"


def test_other_baggage_does_not_mark_work() -> None:
    with arrived("user=7,synthetic=1,synthetic-traffic2=x"):
        assert is_synthetic() is False


def test_our_own_verdict_wins_over_the_opentelemetry_context(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    carried = simulated_context()
    with real(), attached(carried):
        assert is_synthetic() is False
        assert headers() == {}
    with simulated(run="other"), arrived(entry(mint(keys))):
        assert current() == Marker("other")
    with simulated(run="other"), attached(context.Context()):
        assert current() == Marker("other")


def test_the_mirrored_verdict_wins_over_the_baggage(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"):
        carried = baggage.set_baggage(KEY, "not-a-token")
        assert fresh(_current_in, carried) == Marker("rush-hour")


def _current_in(present: context.Context) -> Marker | None:
    with attached(present):
        return current()


def test_a_good_token_in_the_baggage_is_simulated(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys, claims={"sub": "rider-7", "scenario": "book"})
    with arrived(f"user=7,{entry(token)};region=north"):
        assert is_synthetic() is True
        assert current() == Marker("rush-hour", "load", "rider-7", "book")
        assert headers() == {"baggage": entry(token)}
        assert charge() is None


@pytest.mark.parametrize("ask", ASKED)
def test_every_question_raises_for_a_marker_that_does_not_verify(keys: dict[str, Any], ask: Any) -> None:
    synthetic.configure(keys=keys)
    with arrived(f"{KEY}=not-a-token"), pytest.raises(UnverifiedMarker, match="malformed") as raised:
        ask()
    assert raised.value.reason == "malformed"


@pytest.mark.parametrize("ask", ASKED)
def test_without_keys_no_marker_verifies(keys: dict[str, Any], ask: Any) -> None:
    with arrived(entry(mint(keys))), pytest.raises(UnverifiedMarker, match=r"no-keys.* SYNTHETIC_KEYS") as raised:
        ask()
    assert "real()" not in str(raised.value)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "production"}, "wrong-environment"),
        ({"iss": "somebody"}, "wrong-issuer"),
        ({"kind": "holiday"}, "invalid-claims"),
        (expired(8 * DAY), "expired"),
    ],
)
def test_an_authentic_token_that_is_not_valid_here_does_not_verify(
    keys: dict[str, Any], claims: dict[str, Any], reason: str
) -> None:
    synthetic.configure(keys=keys)
    with arrived(entry(mint(keys, claims=claims))), pytest.raises(UnverifiedMarker) as raised:
        is_synthetic()
    assert raised.value.reason == reason


def test_an_expired_token_is_valid_within_the_retention_time(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    synthetic.configure(keys=keys, edge=False)
    with arrived(entry(mint(keys, claims=expired(6 * DAY)))):
        assert current() == Marker("rush-hour", "load")


def test_telemetry_says_unverified_and_does_not_raise() -> None:
    with arrived(f"{KEY}=not-a-token"):
        assert telemetry.attributes() == {"user_agent.synthetic.type": "unverified"}


def test_unverified_work_is_real_inside_real() -> None:
    with arrived(f"{KEY}=not-a-token,user=7"):
        with real():
            assert is_synthetic() is False
            assert charge() == "charged"
            assert dict(baggage.get_all()) == {"user": "7"}
        with pytest.raises(UnverifiedMarker):
            is_synthetic()


def test_real_clears_the_baggage_and_the_mirror_for_its_duration(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with arrived("user=7"), simulated(run="rush-hour"):
        before = context.get_current()
        with real():
            assert dict(baggage.get_all()) == {"user": "7"}
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            assert carrier == {"baggage": "user=7"}
            inside = context.get_current()
            assert fresh(_verdict_of, inside) is False
        assert context.get_current() is before
        assert is_synthetic() is True


def _verdict_of(present: context.Context) -> bool:
    with attached(present):
        return is_synthetic()


def test_real_keeps_an_opentelemetry_context_that_has_no_marker() -> None:
    for present in (context.Context(), baggage.set_baggage("user", "7", context.Context())):
        with attached(present), real():
            assert context.get_current() is present


def test_simulated_puts_the_token_first_in_the_baggage_and_keeps_the_rest(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with arrived("user=7,region=north"), simulated(run="rush-hour"):
        assert list(baggage.get_all()) == [KEY, "user", "region"]
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        assert carrier["baggage"] == f"{headers()['baggage']},user=7,region=north"
    assert not baggage.get_all()


def test_the_mirror_is_never_sent_and_never_read_from_headers(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    carrier: dict[str, str] = {}
    propagate.inject(carrier, simulated_context())
    assert set(carrier) == {"baggage"}
    assert carrier["baggage"].split("=")[0] == KEY
    assert "," not in carrier["baggage"]
    with arrived("synthetic-verdict=1"):
        assert is_synthetic() is False


# OpenTelemetry replaces the whole context: the verdict survives inside and outside of it.


@pytest.mark.parametrize("is_outside", [True, False], ids=["ours outside", "ours inside"])
def test_the_verdict_survives_opentelemetry_server_instrumentation(keys: dict[str, Any], is_outside: bool) -> None:
    module = pytest.importorskip("opentelemetry.instrumentation.asgi")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    synthetic.configure(keys=keys)
    seen: list[tuple[Marker | None, object]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((current(), baggage.get_baggage(KEY)))

    def instrumented(inner: Any) -> Any:
        return module.OpenTelemetryMiddleware(inner, tracer_provider=sdk.TracerProvider(shutdown_on_exit=False))

    ours = SyntheticTrafficMiddleware
    server = ours(instrumented(app)) if is_outside else instrumented(ours(app))
    token = mint(keys)
    for sent in ([(b"baggage", entry(token).encode())], []):
        asyncio.run(server({**_SCOPE, "headers": sent}, _nothing, _nothing))
    assert seen == [(Marker("rush-hour", "load"), token), (None, None)]


def test_real_admission_changes_the_opentelemetry_context_only_to_remove_markers(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    seen: list[context.Context] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(context.get_current())
        assert is_synthetic() is False

    def serve(present: context.Context) -> context.Context:
        with attached(present):
            asyncio.run(SyntheticTrafficMiddleware(app)({**_SCOPE, "headers": []}, _nothing, _nothing))
            assert context.get_current() is present
        return seen.pop()

    foreign = baggage.set_baggage("user", "7", context.Context())
    assert serve(foreign) is foreign
    stale = baggage.set_baggage("user", "7", simulated_context())
    assert dict(baggage.get_all(serve(stale))) == {"user": "7"}
    assert fresh(_verdict_of, serve(stale)) is False
    forged = baggage.set_baggage(KEY, "forged", foreign)
    assert dict(baggage.get_all(serve(forged))) == {"user": "7"}


_SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "query_string": b"",
    "server": ("localhost", 80),
    "client": ("localhost", 1),
}


async def _nothing(*message: Any) -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def test_ending_a_span_does_not_end_the_verdict(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    tracer = trace.get_tracer("tests")
    scope = simulated(run="rush-hour")
    with tracer.start_as_current_span("the attach in here is undone when it ends"):
        scope.__enter__()
    assert is_synthetic() is True
    with tracer.start_as_current_span("another"):
        assert is_synthetic() is True
    scope.__exit__(None, None, None)
    assert is_synthetic() is False
