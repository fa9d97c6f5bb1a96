"""httpx and httpx2: a synchronous and an asynchronous client, and the header that arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import synthetic
from tests.matrix.cases import Case, Hop, judged
from tests.support.recording_server import RecordingServer


def _call(library: Any, url: str, headers: dict[str, str]) -> None:
    with library.Client() as client:
        client.get(url, headers=headers)


def _async_call(library: Any, url: str, headers: dict[str, str]) -> None:
    async def call() -> None:
        async with library.AsyncClient() as client:
            await client.get(url, headers=headers)

    asyncio.run(call())


def _passing_on(product: str, call: Callable[[Any, str, dict[str, str]], None]) -> Callable[[Case, Any], str]:
    def pass_on(case: Case, server: RecordingServer) -> str:
        synthetic.instrument(product)
        server.requests.clear()
        try:
            with case.work() as baggage:
                call(import_module(product), server.url(), {} if baggage is None else {"baggage": baggage})
        except synthetic.UnverifiedMarker:
            assert not server.requests
            return "refused"
        return judged(server.only.values("baggage"))

    return pass_on


def _contrib(product: str) -> Callable[[], None]:
    def switch_on() -> None:
        from opentelemetry.instrumentation import httpx

        getattr(httpx, f"{product.upper()}ClientInstrumentor")().instrument()

    return switch_on


def _hops() -> Iterator[Hop]:
    for product in ("httpx", "httpx2"):
        if find_spec(product) is None:
            continue  # httpx2 needs Python 3.11
        for kind, call in (("client", _call), ("asynchronous client", _async_call)):
            pass_on = _passing_on(product, call)
            yield Hop(f"{product}, {kind}", product, pass_on, {"contrib": _contrib(product)}, servers=RecordingServer)


HOPS: list[Hop] = list(_hops())
