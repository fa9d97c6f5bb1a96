"""Sentry's SDK, sending to a server: no token leaves, and events of simulated work are tagged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("sentry_sdk")

import synthetic_sentry
from synthetic.errors import ConfigurationError
from tests.products.sentry import Recorder, recorder
from tests.support.keys import entry, mint
from tests.support.servers import environment

PROGRAM = """
import json, logging, sys, threading
import requests, sentry_sdk, synthetic
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.servers import uvicorn_server

dsn, keys, header, order, rate = sys.argv[1:]
token = header.partition("=")[2]

def init():
    sentry_sdk.init(dsn=dsn, traces_sample_rate=1.0, send_default_pii=True, max_breadcrumbs=50, enable_logs=True,
                    attach_stacktrace=True, _experiments={"enable_logs": True})

synthetic.configure(keys=keys, environment="default")
if order == "before":
    init()
synthetic.instrument(*(["requests"] if order == "without" else []))
if order != "before":
    init()
if rate != "1":
    import synthetic_sentry
    synthetic_sentry.configure(sample_rate=float(rate))

async def app(scope, receive, send):
    headers = dict(scope["headers"])
    nested = {"deep": [{"baggage": headers.get(b"baggage"), "cut": token[:-20], "text": f"a {token} b"}]}
    quoted = "?x=" + header.replace("=", "%3D")
    sentry_sdk.add_breadcrumb(message=f"called with {header}", data={"headers": str(headers)})
    sentry_sdk.get_isolation_scope().set_extra("headers", nested)
    sentry_sdk.get_isolation_scope().set_context("call", {"headers": nested, "raw": headers.get(b"baggage")})
    with sentry_sdk.start_span(op="http", name=f"call {quoted}") as span:
        span.set_data("http.request.header.baggage", header)
    if hasattr(sentry_sdk, "logger"):
        sentry_sdk.logger.error("a log line with {header}", header=header)
    sentry_sdk.get_isolation_scope().add_attachment(bytes=header.encode(), filename="headers.txt")
    sentry_sdk.capture_message(f"inside {token}")
    raise RuntimeError(f"failed with {header}")

with uvicorn_server(SentryAsgiMiddleware(SyntheticTrafficMiddleware(app)), lifespan="off") as port:
    requests.get(f"http://127.0.0.1:{port}/simulated", headers={"baggage": header})
    requests.get(f"http://127.0.0.1:{port}/real")

with synthetic.simulated(run="block", kind="test", scenario="book"):
    own = synthetic.headers()["baggage"]
    from sentry_sdk.crons import capture_checkin
    capture_checkin(monitor_slug="nightly", status="ok", monitor_config={"note": own})
    try:
        kept = {"headers": {"baggage": own}, "bytes": own.encode(), "list": [[own]]}
        raise ValueError(own)
    except ValueError:
        sentry_sdk.capture_exception()
try:
    with synthetic.real():
        raise KeyError("real")
except KeyError:
    sentry_sdk.capture_exception()
sentry_sdk.flush(30)
print(json.dumps([token, own.partition("=")[2]]))
"""


@pytest.fixture
def recorded() -> Iterator[Recorder]:
    with recorder() as found:
        yield found


def run(recorded: Recorder, keys: dict[str, Any], order: str, rate: str = "1") -> list[str]:
    header = entry(mint(keys, claims={"scenario": "book"}))
    command = [sys.executable, "-c", PROGRAM, recorded.dsn, json.dumps(keys), header, order, rate]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    tokens: list[str] = json.loads(done.stdout.splitlines()[-1])
    return tokens


@pytest.mark.parametrize("order", ["before", "after"])
def test_no_token_leaves_and_simulated_events_are_tagged(recorded: Recorder, keys: dict[str, Any], order: str) -> None:
    tokens = run(recorded, keys, order)
    items = recorded.items()
    kinds = {kind for kind, _ in items}
    assert {"event", "transaction", "check_in", "attachment", "log"} <= kinds
    for token in tokens:
        _, claims, signature = token.split(".")
        assert claims[:40] not in recorded.text
        assert signature[:20] not in recorded.text
    assert "[synthetic token]" in recorded.text

    tags = {_name(item): item.get("tags", {}) for kind, item in items if kind in ("event", "transaction")}
    simulated = {"synthetic.run": "rush-hour", "synthetic.kind": "load", "synthetic.scenario": "book"}
    block = {"synthetic.run": "block", "synthetic.kind": "test", "synthetic.scenario": "book"}
    told = {name: {key: value for key, value in found.items() if "synthetic" in key} for name, found in tags.items()}
    assert told["RuntimeError /simulated"] == simulated
    assert told["message /simulated"] == simulated
    assert told["transaction /simulated"] == simulated
    assert told["ValueError "] == block
    for name in ("RuntimeError /real", "message /real", "transaction /real", "KeyError "):
        assert told[name] == {}


def _name(item: dict[str, Any]) -> str:
    """Say what an event is about: the error, a message or a transaction, and the path of the request."""
    errors = item.get("exception", {}).get("values") or [{"type": "message"}]
    path = (item.get("request") or {}).get("url", "").partition("//")[2].partition("/")
    what = "transaction" if item.get("type") == "transaction" else errors[-1]["type"]
    return f"{what} {path[1]}{path[2]}"


def test_without_the_integration_the_token_leaves(recorded: Recorder, keys: dict[str, Any]) -> None:
    """Otherwise the test above would show nothing."""
    tokens = run(recorded, keys, "without")
    assert all(token in recorded.text for token in tokens)


def test_simulated_events_are_sampled_at_their_own_rate(recorded: Recorder, keys: dict[str, Any]) -> None:
    run(recorded, keys, "after", rate="0")
    names = [_name(item) for kind, item in recorded.items() if kind in ("event", "transaction")]
    assert sorted(names) == ["KeyError ", "RuntimeError /real", "message /real", "transaction /real"]
    assert "check_in" in {kind for kind, _ in recorded.items()}


@pytest.mark.parametrize("rate", [-0.1, 1.1, True, float("nan")])
def test_a_rate_that_is_no_part_is_an_error_with_an_example(rate: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"sample_rate=.* between 0 and 1, for example 0\.1"):
        synthetic_sentry.configure(sample_rate=rate)
