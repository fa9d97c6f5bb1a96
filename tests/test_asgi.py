"""The ASGI middleware on uvicorn: both HTTP parsers, both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import httpx
import pytest
from opentelemetry import context

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.contract.lifetime import PersistentContract
from tests.support.entrances import asgi_entrances, entrances
from tests.support.handles import Server
from tests.support.markers import forged, marked
from tests.support.reporting import has_explicit_verdict
from tests.support.reporting_asgi import application
from tests.support.servers import uvicorn_server


@contextmanager
def served(http: str, loop: str) -> Iterator[Server]:
    app = asgi_entrances(entrances(SyntheticTrafficMiddleware, application))
    with uvicorn_server(app, http=http, loop=loop) as port:
        yield Server(port)


class TestH11OnAsyncio(PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served("h11", "asyncio") as server:
            yield server


class TestHttptoolsOnAsyncio(PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served("httptools", "asyncio") as server:
            yield server


class TestH11OnUvloop(PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served("h11", "uvloop") as server:
            yield server


class TestHttptoolsOnUvloop(PersistentContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served("httptools", "uvloop") as server:
            yield server


@pytest.mark.parametrize("action", ["echo", "stream", "fail"])
@pytest.mark.parametrize("headers", ["good", "forged", "none"])
@pytest.mark.parametrize("caller", ["undecided", "real", "simulated"])
def test_the_middleware_leaves_a_caller_in_the_same_task_unchanged(
    keys: dict[str, Any], caller: str, headers: str, action: str
) -> None:
    synthetic.configure(keys=keys)
    sent = {"good": marked(keys, run="callee"), "forged": forged(keys), "none": []}[headers]
    scopes = {"undecided": nullcontext, "real": synthetic.real, "simulated": lambda: synthetic.simulated(run="caller")}

    async def call() -> None:
        transport = httpx.ASGITransport(SyntheticTrafficMiddleware(application))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            with scopes[caller]():
                before = synthetic.current(), context.get_current(), has_explicit_verdict()
                for _ in range(3):  # the first call under a configuration takes another code path
                    with suppress(RuntimeError):
                        await client.get(f"/{action}", headers=dict(sent))
                    assert (synthetic.current(), context.get_current(), has_explicit_verdict()) == before

    asyncio.run(call())
