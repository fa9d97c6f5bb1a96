"""A million headers, good, bad and odd, through both middlewares and OpenTelemetry's own readers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import DefaultGetter
from starlette.datastructures import Headers

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware as AsgiMiddleware
from synthetic.wsgi import SyntheticTrafficMiddleware as WsgiMiddleware
from tests.support.fuzz import FOREIGN, KEY, NOW, Case, Generator, Tokens, odd_names, others_in, tokens, values_of_ours
from tests.support.keys import shared_key

SEED = 20_261_123
asgi_getter = pytest.importorskip("opentelemetry.instrumentation.asgi").asgi_getter
wsgi_getter = pytest.importorskip("opentelemetry.instrumentation.wsgi").wsgi_getter
extract = W3CBaggagePropagator().extract

HEADER_LIMIT = 8192
"""OpenTelemetry ignores a header with more bytes."""

FLAVOURS: tuple[dict[str, Any], ...] = (
    {},
    {"edge": False},
    {"on_unverified": "strip"},
    {"on_unverified": "strip", "edge": False},
)


class Handed(NamedTuple):
    """The result of a request: ``verdict``, run, and the baggage headers that the application received."""

    verdict: str
    run: str | None
    headers: tuple[str, ...]
    carrier: Any


class Doors:
    """Real middlewares around applications that record what they receive."""

    def __init__(self) -> None:
        self._seen: list[tuple[synthetic.Marker | None, Any]] = []
        self._asgi = [AsgiMiddleware(self._asgi_app, **flavour) for flavour in FLAVOURS]
        self._wsgi = [WsgiMiddleware(self._wsgi_app, **flavour) for flavour in FLAVOURS]

    async def _asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        self._seen.append((synthetic.current(), scope))

    def _wsgi_app(self, environ: Any, start_response: Any) -> list[bytes]:
        self._seen.append((synthetic.current(), environ))
        start_response("200 OK", [])
        return []

    def asgi(self, case: Case) -> Handed:
        fields = [(b"host", b"rides"), (b"x-baggage", b"synthetic-traffic=1")]
        fields += [(name, text.encode("latin-1")) for name, text in zip(case.names, case.headers, strict=True)]
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        running = self._asgi[case.flavour]({"type": "http", "headers": fields}, None, send)
        with _finished():
            running.send(None)
        if statuses:
            assert statuses == [403]
            return Handed("refused", None, (), None)
        marker, scope = self._seen.pop()
        baggage_fields = [value for name, value in scope["headers"] if name.lower() == b"baggage"]
        assert [f for f in scope["headers"] if f[0].lower() != b"baggage"] == fields[:2]
        return _handed(marker, tuple(value.decode("latin-1") for value in baggage_fields), scope)

    def wsgi(self, case: Case, separator: str) -> Handed:
        statuses: list[str] = []
        environ = {"HTTP_HOST": "rides", "HTTP_BAGGAGE": separator.join(case.headers)}
        body = self._wsgi[case.flavour](environ, lambda status, headers, exc_info=None: statuses.append(status))
        list(body)
        if not statuses[0].startswith("200"):
            assert statuses == ["403 Forbidden"]
            return Handed("refused", None, (), None)
        marker, seen = self._seen.pop()
        present = seen.get("HTTP_BAGGAGE")
        return _handed(marker, () if present is None else (present,), seen)


class _finished:
    """Check that the coroutine ends at its first step, because nothing in it waits."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        assert kind is not None, "the coroutine waits for something"
        return kind is StopIteration


def _handed(marker: synthetic.Marker | None, headers: tuple[str, ...], carrier: Any) -> Handed:
    return Handed("simulated" if marker else "real", marker.run if marker else None, headers, carrier)


def found_by_opentelemetry(carrier: Any, getter: Any) -> object:
    """Return what OpenTelemetry reads under our key, or None if its reader fails on the bytes."""
    try:
        return baggage.get_baggage(KEY, extract(carrier, Context(), getter))
    except UnicodeError:
        return None


class StarletteGetter(DefaultGetter):
    """Reads as FastAPI's native telemetry and Starlette applications do: latin-1, all headers joined."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        return [",".join(carrier.getlist(key))] if key in carrier else None


try:
    from fastapi.telemetry._asgi import _HeadersGetter as NativeGetter
except ImportError:  # FastAPI before 0.142 has no telemetry of its own
    NativeGetter = StarletteGetter

JOINED = (StarletteGetter(), NativeGetter()) if NativeGetter is not StarletteGetter else (StarletteGetter(),)


def check(case: Case, made: Tokens, doors: Doors, number: int = 0) -> str:
    """Send one case through both middlewares, check every promise, and return the verdict."""
    runs = {made.good: "good", made.other: "other"}
    came = doors.asgi(case)
    separator = ", " if number % 8 == 7 else ","
    same = doors.wsgi(case, separator)
    for handed in (came, same):
        _check_verdict(case, handed, runs, made)
        if handed.verdict == "real":
            _check_real(case, handed)
    if came.verdict == "simulated":
        _check_simulated(case, came, asgi_getter)
    if same.verdict == "simulated":
        _check_simulated(case, same, wsgi_getter, separator.join(case.headers))
    if len(case.headers) == 1:  # with several, a stray byte in one changes how the joined text is decoded
        assert came.verdict == same.verdict
    if came.verdict == "real":
        assert found_by_opentelemetry(came.carrier, asgi_getter) is None
        for getter in JOINED:
            assert found_by_opentelemetry(Headers(scope=came.carrier), getter) is None
    if same.verdict == "real":
        assert found_by_opentelemetry(same.carrier, wsgi_getter) is None
    return came.verdict


def _check_verdict(case: Case, handed: Handed, runs: dict[str, str], made: Tokens) -> None:
    values = set(values_of_ours(case.headers))
    if handed.verdict == "simulated":
        assert len(values) == 1
        assert runs[values.pop()] == handed.run
    elif handed.verdict == "real":
        assert not values & runs.keys()
    strips = case.flavour >= 2
    if case.verdict == "refused" and strips:
        assert handed.verdict != "simulated"
    elif case.verdict is not None:
        assert handed.verdict == case.verdict


def _check_simulated(case: Case, handed: Handed, getter: Any, came: str | None = None) -> None:
    """``came`` is the single header into which a WSGI server joined the headers."""
    (value,) = values_of_ours(handed.headers)
    entry = f"{KEY}={value}"
    assert handed.headers[0].split(",")[0] == entry
    if "".join(handed.headers).isascii():
        assert found_by_opentelemetry(handed.carrier, getter) == value
    if came is None:
        assert others_in(handed.headers) == others_in(case.headers)
    elif len(entry) + 1 + len(_without_ours(came)) > HEADER_LIMIT:
        assert handed.headers == (entry,)
    else:
        # A server that joins several headers with ", " adds a space that is not in the case.
        assert _trimmed(others_in(handed.headers)) == _trimmed(others_in(case.headers))


def _without_ours(header: str) -> str:
    kept = [member for member in header.split(",") if member.partition("=")[0].strip(" \t") != KEY]
    return ",".join(kept) if any(member.strip(" \t") for member in kept) else ""


def _check_real(case: Case, handed: Handed) -> None:
    if case.flavour < 2 and handed.carrier.get("type") == "http":
        assert handed.headers == case.headers
    if case.foreign is not None:
        assert _trimmed(others_in(handed.headers)) == _trimmed([one for one in case.foreign if one.strip(" \t")])
    others = iter(_trimmed(others_in(case.headers)))
    assert all(other in others for other in _trimmed(others_in(handed.headers)))


def _trimmed(members: list[str]) -> list[str]:
    return [member.lstrip(" ") for member in members]


@pytest.fixture
def quiet() -> Iterator[None]:
    """OpenTelemetry warns of every malformed member, and its codec of every unknown escape."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def made(quiet: None) -> Tokens:
    keys = shared_key()
    synthetic.configure(keys=keys, clock=lambda: NOW)
    return tokens(keys, shared_key())


@pytest.fixture
def doors(made: Tokens) -> Doors:
    return Doors()


@pytest.mark.long
def test_no_generated_header_breaks_a_promise(made: Tokens, doors: Doors, long_run: bool) -> None:
    generator = Generator(SEED, made)
    count = 1_000_000 if long_run else 20_000
    verdicts = dict.fromkeys(("real", "simulated", "refused"), 0)
    for number in range(count):
        case = generator.case()
        try:
            verdicts[check(case, made, doors, number)] += 1
        except Exception as error:
            raise AssertionError(f"case {number} of seed {SEED}: {case}") from error
    assert all(times > count / 10 for times in verdicts.values()), verdicts


# Hypothesis combines the same pieces and shrinks what it finds to the smallest example.

_SPELLINGS = odd_names(Random(SEED), 300)
_TEXT = st.text(st.sampled_from('synthetic-traffic=\\xN{}%+,;0257u \t"\x00\x7f\x80\xa0\xc2\xff'), max_size=40)


def _members(made: Tokens) -> st.SearchStrategy[str]:
    values = st.sampled_from([made.good, made.other, *made.bad])
    return st.one_of(
        st.sampled_from(FOREIGN),
        st.builds("{}={}".format, st.sampled_from([KEY, KEY, f" {KEY}\t", *_SPELLINGS]), values),
        st.builds("{}={}".format, _TEXT, values),
        _TEXT,
    )


@pytest.mark.long
def test_hypothesis_finds_no_header_that_breaks_a_promise(made: Tokens, doors: Doors, long_run: bool) -> None:
    @settings(
        max_examples=20_000 if long_run else 600,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(st.lists(_members(made), min_size=1, max_size=4).map(",".join), min_size=1, max_size=3),
        st.integers(0, len(FLAVOURS) - 1),
    )
    def holds(headers: list[str], flavour: int) -> None:
        check(Case((b"baggage",) * len(headers), tuple(headers), None, None, flavour), made, doors)

    holds()
