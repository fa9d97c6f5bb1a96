"""No log line, span, event, repr or error of the library shows a token or a key."""

from __future__ import annotations

import io
import json
import logging
import traceback
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import synthetic
import synthetic.errors
from synthetic import ledger, telemetry
from synthetic._config import in_force
from synthetic._config.in_force import active
from synthetic._config.readers import Raw
from synthetic._egress.departure import depart
from synthetic._wire.baggage import find
from synthetic._work.state import current_verdict
from synthetic.asgi import SyntheticTrafficMiddleware
from synthetic.wsgi import SyntheticTrafficMiddleware as SyntheticWSGIMiddleware
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import uvicorn_server

KEY = "synthetic-traffic"


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy={"never": "refuse"}, service="rides")


def work(what: str = "") -> str:
    return f"did {what}"


@pytest.fixture
def service() -> Iterator[str]:
    def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(work())

    with uvicorn_server(SyntheticTrafficMiddleware(Starlette(routes=[Route("/", answer)]))) as port:
        yield f"http://127.0.0.1:{port}/"


def test_no_log_span_event_repr_or_error_shows_a_token_or_key(
    service: str, keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    telemetry.setup(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    told = io.StringIO()
    tokens = [mint(keys), mint(shared_key()), mint(keys, claims={"aud": "other"}), mint(keys, claims={"run": "a b"})]
    with ledger.recorded() as outcomes, provider.get_tracer("tests").start_as_current_span("work"):
        for token in tokens:
            print(requests.get(service, headers={"baggage": entry(token)}).text, file=told)
        with synthetic.simulated(run="rush-hour") as marker:
            tokens.append(synthetic.headers()["baggage"].partition("=")[2])
            _print_error(told, synthetic.guard("never")(work), "now")
            print(marker, synthetic.current(), active(), active().keys, file=told)
            _print_error(told, _call_outside)
    for span in exporter.get_finished_spans():
        told.write(span.to_json())
    told.write(repr(outcomes) + caplog.text)
    text = told.getvalue()
    assert "rush-hour" in text
    assert "bad-signature" in text
    secret = keys["keys"][0]["k"]
    assert secret not in text
    for token in tokens:
        for segment in token.split(".")[1:]:
            assert segment not in text


def _call_outside() -> None:
    from synthetic_requests import SyntheticAdapter

    with requests.Session() as session:
        session.mount("http://", SyntheticAdapter())
        session.get("http://api.example.com/")


def wrong_keys(keys: dict[str, Any]) -> list[str]:
    """JWKS texts that contain a good secret and are invalid."""
    good = keys["keys"][0]
    wrong = [{"kty": "oct", "kid": "a"}, {**good, "alg": "EdDSA"}, {**good, "kid": None}, good, "text"]
    bare = [good["k"], f"  {good['k']}\n", f'"{good["k"]}"', f"k={good['k']}", f"/{good['k']}"]
    return [json.dumps({"keys": [good, other]}) for other in wrong] + [json.dumps(keys)[:-1], json.dumps([keys])] + bare


def test_the_message_of_a_configuration_error_shows_no_key(keys: dict[str, Any]) -> None:
    told = io.StringIO()
    for text in wrong_keys(keys):
        with pytest.raises(synthetic.errors.ConfigurationError) as raised:
            synthetic.configure(keys=text)
        print(raised.value, repr(raised.value), vars(raised.value), raised.value.args, file=told)
    assert keys["keys"][0]["k"] not in told.getvalue()


@pytest.mark.parametrize("source", ["file", "variable"])
def test_local_variables_in_a_configuration_error_traceback_show_no_key(
    keys: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    told = io.StringIO()
    for number, text in enumerate(wrong_keys(keys)):
        file = tmp_path / f"{number}.jwks"
        file.write_text(text)
        monkeypatch.setenv("SYNTHETIC_KEYS", str(file) if source == "file" else text)
        _print_error(told, synthetic.configure)
    assert "SYNTHETIC_KEYS" in told.getvalue()
    assert keys["keys"][0]["k"] not in told.getvalue()


def _given_to(call: Any, **settings: Any) -> Any:
    def give(**keys: Any) -> None:
        with call(**settings, **keys) or nullcontext():
            pass

    return give


def _in_a_failed_block(**keys: Any) -> None:
    with synthetic.configured(**keys):
        synthetic.configure(lifetime="2 weeks")


class _Failing:
    def __iter__(self) -> Iterator[str]:
        raise ValueError("of the application")


def _with_a_middleware(**keys: Any) -> None:
    synthetic.configure(keys=None)
    in_force.is_declared = False
    wsgi = SyntheticWSGIMiddleware(lambda environ, start_response: [], on_unverified="strip")
    try:
        synthetic.configure(
            **{**keys, "keys": {**(keys["keys"] if isinstance(keys["keys"], dict) else {}), "keys": []}}
        )
    finally:
        del wsgi


FAILING = {
    "configure": _given_to(synthetic.configure, lifetime="2 weeks"),
    "configure with a function that fails": _given_to(synthetic.configure, halt=_Failing()),
    "configure with an unknown setting": _given_to(synthetic.configure, lifetme=1),
    "configured": _given_to(synthetic.configured, lifetime="2 weeks"),
    "configured with an unknown setting": _given_to(synthetic.configured, lifetme=1),
    "a block of configured": _in_a_failed_block,
    "a middleware that strips without keys": _with_a_middleware,
}


@pytest.mark.parametrize("fail", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("form", ["dict", "text", "while an error is handled"])
def test_no_frame_of_a_failed_configuration_holds_a_key(keys: dict[str, Any], fail: Any, form: str) -> None:
    synthetic.configure(keys=keys)  # what was in force before holds it, too
    given: Any = json.dumps(keys) if form == "text" else keys
    try:
        raise OSError("of the application")
    except OSError as mine:
        with pytest.raises((ValueError, TypeError)) as raised:
            fail(keys=given)
        handled = mine
    secret = keys["keys"][0]["k"]
    raw = urlsafe_b64decode(secret + "=")
    links: list[BaseException | None] = [raised.value]
    seen = 0
    for error in links:
        if error is None or error is handled:
            continue
        links += [error.__cause__, error.__context__]
        shown = f"{error!r} {vars(error)!r} {[getattr(error, name, None) for name in ('doc', 'object')]!r}"
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "tests" not in Path(frame.f_code.co_filename).parts:
                seen += 1
                shown += repr(frame.f_locals)
        for spelling in (secret, repr(raw)[2:-1], raw.hex(), b64encode(raw).decode()):
            assert spelling not in shown
    assert seen
    assert handled.__traceback__ is not None
    assert "keys" in handled.__traceback__.tb_frame.f_locals, "what the caller handles is the caller's"


def _print_error(told: io.StringIO, call: Any, *args: Any) -> None:
    """Print an error with the local variables of our frames, as some tools do."""
    with pytest.raises(synthetic.errors.SyntheticTrafficError) as raised:
        call(*args)
    error = raised.value
    print(error, repr(error), error.args, vars(error), file=told)
    rendered: traceback.TracebackException | None = traceback.TracebackException.from_exception(
        error, capture_locals=True
    )
    while rendered is not None:
        for frame in rendered.stack:
            if "tests" not in Path(frame.filename).parts:
                print(frame.filename, frame.name, frame.locals, file=told)
        rendered = rendered.__cause__ or (None if rendered.__suppress_context__ else rendered.__context__)


def test_objects_that_hold_a_token_or_key_do_not_show_it(keys: dict[str, Any]) -> None:
    with synthetic.simulated(run="rush-hour"):
        token = synthetic.headers()["baggage"].partition("=")[2]
        verdict = current_verdict()
        shown = repr([verdict, verdict._signed, depart("http://payments/", None), find((entry(token),), KEY)])
    shown += repr(Raw("keys", keys, "the argument keys=", Path())) + repr(active().keys.current())
    assert "rush-hour" in shown
    assert token not in shown
    assert keys["keys"][0]["k"] not in shown
