"""aiohttp: what a client's call, and a server's handling, cost more than the bare ones; nothing goes over a wire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.instrumentation.aiohttp_server import create_aiohttp_middleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_aiohttp import middleware
from tests.benchmarks.compared import WORKS, Entered, around
from tests.benchmarks.measure import Case, Effort, interleaved
from tests.benchmarks.table import Row, at_most_one_in
from tests.products import aiohttp as product
from tests.products.aiohttp import server
from tests.support.keys import entry, mint, shared_key
from tests.support.switches import by_opentelemetry, instrumented

_URL = "http://payments/charges/17"


def rows(effort: Effort) -> Iterator[Row]:
    """Calls and requests, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        for kind, verdict in WORKS.items():
            yield from _client(kind, verdict, effort)
        yield from _server("real", {}, effort)
        yield from _server("simulated", {"baggage": entry(mint(keys))}, effort)


def _row(what: str, kind: str, peer: str, cases: dict[str, Case], effort: Effort) -> Iterator[Row]:
    times = interleaved(cases, effort.rounds // 2)
    goal = at_most_one_in(10) if kind == "real" else None
    yield Row(f"{what}, {kind}: added time", times.added("ours", "bare"), peer, times.added("peer", "bare"), goal)


def _case(step: Callable[[], Awaitable[Any]], entered: Entered) -> Case:
    """Await ``step()`` again and again, in one event loop of its own."""

    async def repeated(number: int) -> float:
        start = time.process_time()
        for _ in range(number):
            await step()
        return time.process_time() - start

    def run(number: int) -> float:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(repeated(number))
        finally:
            loop.close()

    return Case(run, entered, number=40, warm=60)


# The client: its connector hands out no real connection, and its request sends nothing.


class _Response(SimpleNamespace):
    async def start(self, connection: Any) -> None:
        pass


class _Request(aiohttp.ClientRequest):
    async def send(self, conn: Any) -> Any:
        nothing: Any = CIMultiDict[str]()
        return _Response(
            status=200, headers=nothing, _raw_cookie_headers=(), cookies=None, connection=None, url=self.url
        )


class _Connector(aiohttp.BaseConnector):
    _connection: Any = SimpleNamespace(
        protocol=SimpleNamespace(set_response_params=lambda **_: None), close=lambda: None
    )

    async def _get(self, key: Any, traces: Any) -> Any:
        return self._connection


def _client(kind: str, verdict: Entered, effort: Effort) -> Iterator[Row]:
    def case(*trace_configs: aiohttp.TraceConfig, ours: bool = False) -> Case:
        async def step() -> None:
            async with aiohttp.ClientSession(
                connector=_Connector(), request_class=_Request, trace_configs=list(trace_configs)
            ) as session:
                for _ in range(20):
                    await session._request("GET", _URL)

        entered = around(verdict, lambda: instrumented(product.NAME)) if ours else around(verdict)
        timed = _case(step, entered)
        return Case(lambda number: timed.run(number) / 20, entered, number=3, warm=2)

    trace = create_trace_config(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    cases = {"bare": case(), "ours": case(ours=True), "peer": case(trace)}
    yield from _row("aiohttp client", kind, "OpenTelemetry aiohttp client, no-op tracer", cases, effort)


# The server: a request that came from nowhere, and a response that goes nowhere.


class _Nowhere(web.Response):
    async def prepare(self, request: Any) -> None:
        pass

    async def write_eof(self, data: bytes = b"") -> None:
        pass


async def _handler(request: web.Request) -> web.StreamResponse:
    return _Nowhere(body=b"{}")


def _server(kind: str, headers: dict[str, str], effort: Effort) -> Iterator[Row]:
    def case(admission: Any = None) -> Case:
        async def write_headers(status_line: str, headers: Any) -> None:
            pass

        writer: Any = SimpleNamespace(output_size=0, write_headers=write_headers)
        request = make_mocked_request("GET", "/charges/17", headers={"Host": "rides", **headers}, writer=writer)

        async def step() -> None:
            writer.write_headers = write_headers
            response = await (_handler(request) if admission is None else admission(request, _handler))
            await response.prepare(request)
            await response.write_eof()

        return _case(step, lambda: synthetic.configured())

    with by_opentelemetry(server.instrumentor):
        peer = create_aiohttp_middleware(NoOpTracerProvider())
        cases = {"bare": case(), "ours": case(middleware()), "peer": case(peer)}
        yield from _row("aiohttp server", kind, "OpenTelemetry aiohttp server, no-op tracer", cases, effort)
