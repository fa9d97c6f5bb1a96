"""httpx and httpx2: what a call costs more than the bare one, on connections that send nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from importlib import import_module
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import shared_key

_URL = "http://payments/charges/17"


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated calls of both libraries, synchronous and asynchronous."""
    with synthetic.configured(keys=shared_key()):
        for product in ("httpx", "httpx2"):
            for is_async in (False, True):
                yield from _rows(product, is_async, effort)


def _rows(product: str, is_async: bool, effort: Effort) -> Iterator[Row]:
    library, ours = import_module(product), import_module(f"synthetic_{product}")
    own = _transport(library, is_async)
    wrapped = (ours.AsyncSyntheticTransport if is_async else ours.SyntheticTransport)(_transport(library, is_async))

    def case(transport: Any, verdict: Callable[[], Any], *installed: Callable[[], AbstractContextManager[Any]]) -> Case:
        client = (library.AsyncClient if is_async else library.Client)(transport=transport)
        return Case(_calls(client, is_async), _around(verdict, *installed), number=40, warm=60)

    peer = f"OpenTelemetry {product}, no-op tracer"
    kind = f"{product}, asynchronous" if is_async else product
    for work, verdict in (("real", synthetic.real), ("simulated", lambda: synthetic.simulated(run="bench"))):
        times = interleaved(
            {
                "bare": case(own, verdict),
                "instrument()": case(own, verdict, lambda: _ours(product)),
                "transport": case(wrapped, verdict),
                "peer": case(own, verdict, lambda: _opentelemetry(product)),
            },
            effort.rounds // 6,
        )
        goal = at_most_one_in(10) if work == "real" else None
        for way in ("instrument()", "transport"):
            added, others = times.added(way, "bare"), times.added("peer", "bare")
            yield Row(f"{kind}, {work}, {way}: added time", added, peer, others, goal)


def _transport(library: Any, is_async: bool) -> Any:
    """The library's own transport, which OpenTelemetry instruments, over a pool of connections that answers at once."""

    class Answered:
        status, headers, extensions = 200, [(b"content-length", b"2")], {"http_version": b"HTTP/1.1"}

        def __init__(self) -> None:
            self.stream = self

        def __iter__(self) -> Iterator[bytes]:
            yield b"{}"

        async def __aiter__(self) -> Any:
            yield b"{}"

        def close(self) -> None: ...

        async def aclose(self) -> None: ...

    class Pool:
        def handle_request(self, request: Any) -> Answered:
            return Answered()

        async def handle_async_request(self, request: Any) -> Answered:
            return Answered()

    transport = (library.AsyncHTTPTransport if is_async else library.HTTPTransport)(verify=False)
    transport._pool = Pool()
    return transport


def _calls(client: Any, is_async: bool) -> Callable[[int], float]:
    if not is_async:
        return statement("get(url)", get=client.get, url=_URL)

    async def calls(number: int) -> float:
        begun = time.process_time()
        for _ in range(number):
            await client.get(_URL)
        return time.process_time() - begun

    return lambda number: asyncio.run(calls(number))


def _around(
    verdict: Callable[[], Any], installed: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> Callable[[], AbstractContextManager[Any]]:
    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(verdict())
            stack.enter_context(installed())
            yield

    return around


@contextmanager
def _ours(product: str) -> Iterator[None]:
    synthetic.instrument(product)
    try:
        yield
    finally:
        synthetic.uninstrument(product)


@contextmanager
def _opentelemetry(product: str) -> Iterator[None]:
    from opentelemetry.instrumentation import httpx

    instrumentor = getattr(httpx, f"{product.upper()}ClientInstrumentor")()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()
