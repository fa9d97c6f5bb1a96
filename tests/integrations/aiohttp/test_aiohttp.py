"""aiohttp's client: every rule for clients, instrumented or with our middleware; and off again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import aiohttp
import pytest

import synthetic
from synthetic_aiohttp import client_middleware
from tests.contract.client_switches import InsideOpenTelemetry, Instrumented, OrderContract, SwitchedContract
from tests.products import aiohttp as product
from tests.products.aiohttp import in_session, read
from tests.support.asyncio_thread import Loop
from tests.support.clients import OURS, Connect, has_no_marker, run_script, token_of
from tests.support.keys import entry
from tests.support.recording_server import RecordingServer
from tests.support.versions import needs

MIDDLEWARE: dict[str, Any] = {"middlewares": [client_middleware]}
has_middlewares = needs("aiohttp", "3.12", "has no client middlewares")


class AiohttpContract(SwitchedContract):
    product = product
    original = product.patched()
    our_part = "synthetic_aiohttp._out.depart"
    library_error = aiohttp.ClientError
    options: Mapping[str, Any] = {}

    @pytest.fixture
    def connect(self) -> Iterator[Connect]:
        made: list[product.Client] = []
        with closing(Loop()) as loop:

            def connect(headers: Mapping[str, Any] | None = None) -> product.Client:
                made.append(product.Client(loop, headers, **self.options))
                return made[-1]

            yield connect
            for client in made:
                client.close()

    def test_the_callers_own_baggage_is_kept_byte_for_byte(self, connect: Connect, server: RecordingServer) -> None:
        """As aiohttp sends it, which is in UTF-8."""
        foreign = "vendor=a%20b;p=1, weird == ,caf\u00e9=\u00fc,,tail"
        with synthetic.simulated(run="rush-hour"):
            connect().get(server.url(), {"baggage": foreign})
        (line,) = server.only.values("baggage")
        ours = entry(token_of(server.only))
        assert line == (f"{ours},{foreign.encode().decode('latin-1')}" if self.keeps_foreign else ours)


class TestInstrumented(AiohttpContract, Instrumented):
    pass


class TestInstrumentedInsideOpenTelemetry(AiohttpContract, InsideOpenTelemetry):
    pass


@has_middlewares
class TestMiddleware(AiohttpContract):
    options = MIDDLEWARE


@has_middlewares
class TestBoth(AiohttpContract, Instrumented):
    """The session has the middleware, and everything is instrumented as well."""

    options = MIDDLEWARE


class TestInAnyOrder(OrderContract):
    product = product


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS])


def test_an_open_session_is_covered_only_while_the_library_is_instrumented(server: RecordingServer) -> None:
    async def work(session: aiohttp.ClientSession) -> None:
        await read(session, server.url("/off"))
        synthetic.instrument("aiohttp")
        await read(session, server.url("/on"))
        synthetic.uninstrument("aiohttp")
        await read(session, server.url("/off"))

    with synthetic.simulated(run="rush-hour"):
        in_session(work)
    assert [(request.path, has_no_marker(request)) for request in server.requests] == [
        ("/off", True),
        ("/on", False),
        ("/off", True),
    ]


SENTRY = """
import asyncio, sys
import aiohttp, sentry_sdk, synthetic
from tests.support import sentry

async def get():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[2], headers={"baggage": "a=1"}):
        pass

if sys.argv[1] == "ours":
    synthetic.instrument("aiohttp")
sentry.init()
synthetic.instrument("aiohttp")
for work in (synthetic.simulated(run="rush-hour"), synthetic.real()):
    with sentry_sdk.start_transaction(name="ride"), work:
        asyncio.run(get())
"""


@pytest.mark.parametrize("first", ["ours", "sentry"])
def test_sentrys_baggage_stays_behind_the_marker(server: RecordingServer, keys: dict[str, Any], first: str) -> None:
    pytest.importorskip("sentry_sdk")
    server.redirect("/", "/next")
    run_script(SENTRY, first, server.url(), keys=keys)
    assert len(server.requests) == 4
    for request in server.requests[:2]:
        assert token_of(request)
    for request in server.requests[2:]:
        assert has_no_marker(request)
    for request in server.requests:
        (line,) = request.values("baggage")
        assert "a=1,sentry-" in line
