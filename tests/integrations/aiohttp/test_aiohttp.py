"""aiohttp's client: every rule for clients, instrumented or with our middleware; and off again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_aiohttp import client_middleware
from tests.contract.client import ClientContract
from tests.integrations.aiohttp.sessions import has_middlewares, in_session, read
from tests.support.clients import (
    OURS,
    THEIRS,
    Connect,
    has_no_marker,
    run_script,
    token_of,
)
from tests.support.keys import entry
from tests.support.recording_server import RecordingServer

ORIGINAL = aiohttp.BaseConnector.connect


@contextmanager
def by_opentelemetry() -> Iterator[None]:
    """OpenTelemetry's instrumentation of the client, switched on."""
    module = pytest.importorskip("opentelemetry.instrumentation.aiohttp_client")
    instrumentor = module.AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()


class Loop:
    """An event loop in a thread; what is given to it runs in the caller's context."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SessionClient:
    def __init__(self, loop: Loop, headers: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.loop = loop
        self.session = loop.run(self._open(as_text(headers), options))

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        status: int = self.loop.run(self._get(url, as_text(headers)))
        return status

    async def _open(self, headers: Any, options: Any) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(60), **options)

    async def _get(self, url: str, headers: Any) -> int:
        async with self.session.get(url, headers=headers) as response:
            await response.read()
            return response.status


def as_text(headers: Mapping[str, Any] | None) -> dict[str, str]:
    """aiohttp takes no bytes."""
    pairs = (headers or {}).items()
    return {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in pairs}


class AiohttpContract(ClientContract):
    our_part = "synthetic_aiohttp._out.depart"

    library_error = aiohttp.ClientError
    options: Mapping[str, Any] = {}

    @pytest.fixture
    def opentelemetry(self) -> Iterator[None]:
        with by_opentelemetry():
            yield

    @pytest.fixture
    def loop(self) -> Iterator[Loop]:
        loop = Loop()
        yield loop
        loop.close()

    @pytest.fixture
    def connect(self, loop: Loop) -> Iterator[Connect]:
        made: list[SessionClient] = []

        def connect(headers: Mapping[str, Any] | None = None) -> SessionClient:
            made.append(SessionClient(loop, headers, **self.options))
            return made[-1]

        yield connect
        for client in made:
            loop.run(client.session.close())

    def test_the_callers_own_baggage_is_kept_byte_for_byte(self, connect: Connect, server: RecordingServer) -> None:
        """As aiohttp sends it, which is in UTF-8."""
        foreign = "vendor=a%20b;p=1, weird == ,caf\u00e9=\u00fc,,tail"
        with synthetic.simulated(run="rush-hour"):
            connect().get(server.url(), {"baggage": foreign})
        (line,) = server.only.values("baggage")
        ours = entry(token_of(server.only))
        assert line == (f"{ours},{foreign.encode().decode('latin-1')}" if self.keeps_foreign else ours)


class TestInstrumented(AiohttpContract):
    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        synthetic.instrument("aiohttp")
        yield
        synthetic.uninstrument("aiohttp")
        assert aiohttp.BaseConnector.connect is ORIGINAL


class TestInstrumentedInsideOpenTelemetry(TestInstrumented):
    """OpenTelemetry's instrumentation was on first."""

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with by_opentelemetry():
            synthetic.instrument("aiohttp")
            yield
            synthetic.uninstrument("aiohttp")

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on already."""

    keeps_foreign = False


@has_middlewares
class TestMiddleware(AiohttpContract):
    options = {"middlewares": [client_middleware]}  # noqa: RUF012


@has_middlewares
class TestBoth(TestInstrumented):
    """The session has the middleware, and everything is instrumented as well."""

    options = {"middlewares": [client_middleware]}  # noqa: RUF012


@pytest.fixture(autouse=True)
def takes_part(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, internal_hosts=[OURS])


def test_a_session_from_before_is_covered_from_then_on_and_after_no_more(server: RecordingServer) -> None:
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


IN_AN_ORDER = """
import asyncio, sys
import aiohttp, synthetic
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

synthetic.configure(internal_hosts=["127.0.0.1"])
theirs = AioHttpClientInstrumentor()
steps = {
    "ours on": lambda: synthetic.instrument("aiohttp"),
    "ours off": lambda: synthetic.uninstrument("aiohttp"),
    "theirs on": theirs.instrument,
    "theirs off": theirs.uninstrument,
}
before = dict(vars(aiohttp.BaseConnector)), dict(vars(aiohttp.ClientSession))

async def get():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]):
        pass

for step in sys.argv[2:]:
    steps[step]()
    with synthetic.simulated(run="rush-hour"):
        try:
            asyncio.run(get())
            print("sent")
        except synthetic.EffectRefused:
            print("refused")
assert (dict(vars(aiohttp.BaseConnector)), dict(vars(aiohttp.ClientSession))) == before
"""


@pytest.mark.parametrize(
    "steps",
    [
        ("theirs on", "ours on", "theirs off", "ours off", "ours on", "ours off"),
        ("ours on", "theirs on", "ours off", "theirs off", "ours on", "ours off"),
        ("ours on", "theirs on", "ours off", "ours on", "theirs off", "ours off"),
    ],
    ids=["inside", "outside", "outside-twice"],
)
def test_in_whatever_order_with_opentelemetry_it_is_on_when_it_was_switched_on_and_nothing_is_left(
    server: RecordingServer, keys: dict[str, Any], steps: tuple[str, ...]
) -> None:
    pytest.importorskip("opentelemetry.instrumentation.aiohttp_client")
    printed = run_script(IN_AN_ORDER, server.url(host=THEIRS), *steps, keys=keys).splitlines()
    is_on = False
    for step, seen in zip(steps, printed, strict=True):
        is_on = step == "ours on" or (is_on and step != "ours off")
        assert seen == ("refused" if is_on else "sent"), step


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
