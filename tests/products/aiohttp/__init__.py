"""aiohttp's client: sessions that call. Its server is in ``server``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp

from tests.support.asyncio_thread import Loop
from tests.support.switches import attributes_of

NAME = "aiohttp"


class Client:
    """A session in a loop that all its calls share."""

    def __init__(self, loop: Loop, headers: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.loop = loop
        self.session = loop.run(self._open(as_text(headers), options))

    def get(self, url: str, headers: Mapping[str, Any] | None = None) -> int:
        status: int = self.loop.run(self._get(url, as_text(headers)))
        return status

    def close(self) -> None:
        self.loop.run(self.session.close())

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


def in_session(work: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    async def run() -> Any:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60), **options) as session:
            return await work(session)

    return asyncio.run(run())


async def read(session: aiohttp.ClientSession, url: str, **options: Any) -> bytes:
    async with session.get(url, **options) as response:
        return await response.read()


def get(url: str, headers: Mapping[str, Any] | None = None) -> Any:
    """Make one call, with a session of its own."""
    return in_session(lambda session: read(session, url, headers=headers))


def patched() -> list[Any]:
    """What this library's instrumentation and OpenTelemetry's patch."""
    return attributes_of(aiohttp.BaseConnector, aiohttp.ClientSession)


def instrumentor() -> Any:
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

    return AioHttpClientInstrumentor()
