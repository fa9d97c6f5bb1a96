"""An entry that OpenTelemetry reads as ours is accepted or refused, and never let through unchecked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry import baggage as otel_baggage
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware, asgi_getter
from opentelemetry.sdk.trace import TracerProvider

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.entrances import asgi_entrances
from tests.support.handles import Server
from tests.support.keys import entry, mint
from tests.support.markers import baggage
from tests.support.reporting_asgi import application
from tests.support.servers import uvicorn_server
from tests.support.wire import get

Keys = dict[str, Any]

SPELLINGS = [
    "syn%74hetic-traffic=TOKEN",
    "%73ynthetic-traffic=TOKEN",
    "synthetic%2dtraffic=TOKEN",
    "synthetic%2Dtraffic=TOKEN",
    "synthetic-traffic+=TOKEN",
    "+synthetic-traffic=TOKEN",
    "%20synthetic-traffic=TOKEN",
    "synthetic-traffic%09=TOKEN",
    "synthetic-traffic%20%20=TOKEN",
    "%0Asynthetic-traffic=TOKEN",
    "\\x73ynthetic-traffic=TOKEN,b=\xff",
    "\\u0073ynthetic-traffic=TOKEN,b=\xff",
    "\\163ynthetic-traffic=TOKEN,b=\xff",
    "a=1\\x2csynthetic-traffic=TOKEN,b=\xff",
]
"""OpenTelemetry 1.45 reads each of these under our key. None is the spelling that we send."""


def reads_stray_bytes() -> bool:
    """Whether this OpenTelemetry can read a header that is not UTF-8 (for older ones it is an error)."""
    try:
        return bool(asgi_getter.get({"headers": [(b"baggage", b"b=\xff")]}, "baggage"))
    except UnicodeDecodeError:
        return False


READABLE = [spelling for spelling in SPELLINGS if spelling.isascii() or reads_stray_bytes()]


@pytest.fixture(scope="module", params=["h11", "httptools"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    def otel(app: Any) -> Any:
        return OpenTelemetryMiddleware(app, tracer_provider=TracerProvider())

    apps = {
        "without": otel(without_asking),
        "plain": SyntheticTrafficMiddleware(otel(application)),
        "inside": otel(SyntheticTrafficMiddleware(application)),
    }
    with uvicorn_server(asgi_entrances(apps), http=request.param) as port:
        yield Server(port)


async def without_asking(scope: Any, receive: Any, send: Any) -> None:
    """An unprotected application that reports the marker OpenTelemetry found."""
    body = str(otel_baggage.get_baggage("synthetic-traffic")).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_odd_spelling_that_opentelemetry_understands_is_refused(server: Server, keys: Keys, spelling: str) -> None:
    synthetic.configure(keys=keys)
    headers = baggage("user=7," + spelling.replace("TOKEN", mint(keys)))
    for entrance in ("plain", "inside") if spelling in READABLE else ("plain",):
        id_ = uuid4().hex
        response = get(server.port, f"/{entrance}/echo", [*headers, ("x-id", id_)])
        assert (response.status, response.json()["reason"]) == (403, "malformed")
        assert server.journal(id_) == {}


@pytest.mark.parametrize("spelling", READABLE)
def test_a_stripping_edge_removes_oddly_spelled_entries(server: Server, keys: Keys, spelling: str) -> None:
    synthetic.configure(keys=keys, on_unverified="strip")
    for entrance in ("plain", "inside"):
        seen = get(server.port, f"/{entrance}/echo", baggage("user=7," + spelling.replace("TOKEN", "1"))).json()
        assert (seen["simulated"], "synthetic-traffic" in seen["otel"]) == (False, False)
        assert ("user=7" in seen["baggage"][0], "=1" in seen["baggage"][0]) == (True, False)


@pytest.mark.parametrize(
    "spelling", ["Synthetic-Traffic=TOKEN", "synthetic_traffic=TOKEN", "x-synthetic-traffic=TOKEN", "traffic=TOKEN"]
)
def test_a_similar_key_is_not_a_marker(server: Server, keys: Keys, spelling: str) -> None:
    synthetic.configure(keys=keys)
    header = spelling.replace("TOKEN", mint(keys))
    seen = get(server.port, "/plain/echo", baggage(header)).json()
    assert (seen["simulated"], seen["baggage"]) == (False, [header])


def test_without_the_middleware_opentelemetry_accepts_a_forged_marker(server: Server) -> None:
    assert get(server.port, "/without/", baggage("synthetic-traffic=forged")).body == b"forged"


@pytest.mark.parametrize("spelling", SPELLINGS[:10])
def test_the_odd_spellings_reach_an_unprotected_application(server: Server, spelling: str) -> None:
    assert get(server.port, "/without/", baggage(spelling.replace("TOKEN", "forged"))).body == b"forged"


def test_the_marker_is_put_first_so_that_no_limit_drops_it(server: Server, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys)
    others = [",".join(f"k{number}=v" for number in range(300)), f"big={'x' * 4000},big2={'y' * 4000}"]
    for headers in (baggage(f"{others[0]},{entry(token)}"), baggage(*others, entry(token))):
        for entrance in ("plain", "inside"):
            seen = get(server.port, f"/{entrance}/echo", headers).json()
            assert (seen["simulated"], seen["otel"]["synthetic-traffic"]) == (True, token)
            assert seen["injected"].startswith(entry(token))


def test_opentelemetry_sees_a_marker_in_front_of_over_long_entries(server: Server, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    token = mint(keys)
    others = f"big={'x' * 4000},user=7,big2={'y' * 5000}"
    for entrance in ("plain", "inside"):
        for _ in range(3):  # the token is seen for the first time once
            seen = get(server.port, f"/{entrance}/echo", baggage(f"{entry(token)},{others}")).json()
            assert (seen["simulated"], seen["otel"]["synthetic-traffic"]) == (True, token)
            assert seen["injected"].startswith(entry(token))
            assert ",".join(seen["baggage"]) == f"{entry(token)},{others}"


def test_the_header_name_is_read_in_any_case(server: Server, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    assert get(server.port, "/plain/echo", [("BagGage", entry(mint(keys)))]).json()["simulated"] is True
