"""httpx and httpx2: what their tests share, so that every test runs for both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

import pytest
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from tests.support.versions import HTTPX2, skip_before

R = TypeVar("R")


@dataclass(frozen=True)
class Product:
    """One of the two libraries, and our integration of it."""

    name: str
    library: Any = field(repr=False)
    ours: Any = field(repr=False)

    @property
    def way_out(self) -> tuple[Any, Any]:
        """What ``instrument`` patches."""
        return self.library.Client._send_single_request, self.library.AsyncClient._send_single_request

    @contextmanager
    def instrumented(self) -> Iterator[None]:
        synthetic.instrument(self.name)
        try:
            yield
        finally:
            synthetic.uninstrument(self.name)

    def instrumentor(self) -> Any:
        """OpenTelemetry's instrumentor of this library."""
        return getattr(self._instrumentation(), f"{self.name.upper()}ClientInstrumentor")()

    @contextmanager
    def by_opentelemetry(self) -> Iterator[None]:
        instrumentor = self.instrumentor()
        instrumentor.instrument(tracer_provider=NoOpTracerProvider())
        try:
            yield
        finally:
            instrumentor.uninstrument()

    def transport(self, is_async: bool = False) -> Any:
        """The library's own transport. It loads no certificates, which takes longer than a whole test."""
        library = self.library
        return library.AsyncHTTPTransport(verify=False) if is_async else library.HTTPTransport(verify=False)

    def synthetic_transport(self, inner: Any, is_async: bool = False) -> Any:
        return (self.ours.AsyncSyntheticTransport if is_async else self.ours.SyntheticTransport)(inner)

    def opentelemetry_transport(self, inner: Any, is_async: bool = False) -> Any:
        name = f"{'Async' if is_async else 'Sync'}OpenTelemetryTransport{'Httpx2' if self.name == 'httpx2' else ''}"
        return getattr(self._instrumentation(), name)(inner)

    def _instrumentation(self) -> Any:
        module = pytest.importorskip("opentelemetry.instrumentation.httpx")
        if self.name == "httpx2":
            skip_before(*HTTPX2)
        return module


def product(name: str) -> Product:
    """Return the product; where it is not installed, its tests are skipped."""
    return Product(name, pytest.importorskip(name), import_module(f"synthetic_{name}"))


class Loop:
    """An event loop in a thread. What is run in it has the context of whoever runs it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def __enter__(self) -> Loop:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncCaller:
    """A synchronous client for the contract."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        return int(self.client.get(url, headers=headers).status_code)

    def close(self) -> None:
        self.client.close()


class AsyncCaller:
    """An asynchronous client for the contract, in a loop that all calls share."""

    def __init__(self, client: Any, loop: Loop) -> None:
        self.client = client
        self.loop = loop

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        return int(self.loop.run(self.client.get(url, headers=headers)).status_code)

    def close(self) -> None:
        self.loop.run(self.client.aclose())
