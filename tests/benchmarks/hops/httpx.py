"""httpx and httpx2: what a call costs more than the bare one, on connections that send nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import synthetic
from tests.benchmarks.compared import WORKS, Entered, around, ways
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.products.httpx import Product
from tests.products.httpx import product as product_named
from tests.support.keys import shared_key

_URL = "http://payments/charges/17"


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated calls of both libraries, synchronous and asynchronous."""
    with synthetic.configured(keys=shared_key()):
        for name in ("httpx", "httpx2"):
            for is_async in (False, True):
                yield from _rows(product_named(name), is_async, effort)


def _rows(product: Product, is_async: bool, effort: Effort) -> Iterator[Row]:
    library, own = product.library, _transport(product, is_async)
    wrapped = product.synthetic_transport(_transport(product, is_async), is_async)
    bare, ours, theirs = ways(product.NAME, product.instrumentor).values()

    def case(transport: Any, *contexts: Entered) -> Case:
        client = (library.AsyncClient if is_async else library.Client)(transport=transport)
        return Case(_calls(client, is_async), around(*contexts), number=40, warm=60)

    peer = f"OpenTelemetry {product.NAME}, no-op tracer"
    kind = f"{product.NAME}, asynchronous" if is_async else product.NAME
    for work, verdict in WORKS.items():
        times = interleaved(
            {
                "bare": case(own, verdict, *bare),
                "instrument()": case(own, verdict, *ours),
                "transport": case(wrapped, verdict),
                "peer": case(own, verdict, *theirs),
            },
            effort.rounds // 6,
        )
        goal = at_most_one_in(10) if work == "real" else None
        for way in ("instrument()", "transport"):
            added, others = times.added(way, "bare"), times.added("peer", "bare")
            yield Row(f"{kind}, {work}, {way}: added time", added, peer, others, goal)


def _transport(product: Product, is_async: bool) -> Any:
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

    transport = product.transport(is_async)
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
