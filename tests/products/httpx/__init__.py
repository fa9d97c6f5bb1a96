"""httpx and httpx2: clients and transports of either, so that everything runs for both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from tests.support.switches import attributes_of, instrumented, made_or_skipped


@dataclass(frozen=True)
class Product:
    """One of the two libraries, and our integration of it."""

    NAME: str
    library: Any = field(repr=False)
    ours: Any = field(repr=False)
    original: list[Any] = field(init=False, repr=False, compare=False)
    """``patched()``, from before anything was instrumented."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "original", self.patched())

    def instrumented(self) -> AbstractContextManager[None]:
        return instrumented(self.NAME)

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        """Make one call, with a client of its own."""
        with self.library.Client(transport=self.transport()) as client:
            return int(client.get(url, headers=headers).status_code)

    def get_async(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        async def call() -> int:
            async with self.library.AsyncClient(transport=self.transport(is_async=True)) as client:
                return int((await client.get(url, headers=headers)).status_code)

        return asyncio.run(call())

    def patched(self) -> list[Any]:
        """What this library's instrumentation and OpenTelemetry's patch."""
        library = self.library
        return attributes_of(library.Client, library.AsyncClient, library.HTTPTransport, library.AsyncHTTPTransport)

    def instrumentor(self) -> Any:
        """OpenTelemetry's instrumentor of this library."""
        return getattr(self._instrumentation(), f"{self.NAME.upper()}ClientInstrumentor")()

    def transport(self, is_async: bool = False) -> Any:
        """The library's own transport. It loads no certificates, which takes longer than a whole test."""
        library = self.library
        return library.AsyncHTTPTransport(verify=False) if is_async else library.HTTPTransport(verify=False)

    def synthetic_transport(self, inner: Any, is_async: bool = False) -> Any:
        return (self.ours.AsyncSyntheticTransport if is_async else self.ours.SyntheticTransport)(inner)

    def opentelemetry_transport(self, inner: Any, is_async: bool = False) -> Any:
        name = f"{'Async' if is_async else 'Sync'}OpenTelemetryTransport{'Httpx2' if self.NAME == 'httpx2' else ''}"
        return getattr(self._instrumentation(), name)(inner)

    def _instrumentation(self) -> Any:
        module = made_or_skipped(lambda: import_module("opentelemetry.instrumentation.httpx"))
        if self.NAME == "httpx2":
            from tests.support.versions import HTTPX2, skip_before

            skip_before(*HTTPX2)
        return module


def product(name: str) -> Product:
    """Return the product; where it is not installed, its tests are skipped."""
    return Product(name, made_or_skipped(lambda: import_module(name)), import_module(f"synthetic_{name}"))


class SyncCaller:
    """A synchronous client for the contract."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        return int(self.client.get(url, headers=headers).status_code)

    def close(self) -> None:
        self.client.close()


class AsyncCaller:
    """An asynchronous client for the contract, in an event loop that all calls share."""

    def __init__(self, client: Any, loop: Any) -> None:
        self.client = client
        self.loop = loop

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        return int(self.loop.run(self.client.get(url, headers=headers)).status_code)

    def close(self) -> None:
        self.loop.run(self.client.aclose())
