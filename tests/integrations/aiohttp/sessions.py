"""Calls with aiohttp's client, for its tests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

has_middlewares = pytest.mark.skipif(
    "middlewares" not in inspect.signature(aiohttp.ClientSession.__init__).parameters,
    reason="aiohttp has client middlewares from 3.12 on",
)


def in_session(work: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    async def run() -> Any:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60), **options) as session:
            return await work(session)

    return asyncio.run(run())


async def read(session: aiohttp.ClientSession, url: str, **options: Any) -> bytes:
    async with session.get(url, **options) as response:
        return await response.read()
