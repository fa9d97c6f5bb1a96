"""Fixtures for the tests of arq."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import synthetic
from synthetic_arq import create_pool
from tests.integrations.arq.workers import ExplicitRides, Rides, Scenario


@pytest.fixture(params=["instrumented", "explicit"])
def play(request: pytest.FixtureRequest, keys: dict[str, Any], valkey_port: int) -> Any:
    """Plays a scenario, with patches and without."""
    synthetic.configure(keys=keys)
    is_patched = request.param == "instrumented"

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[Rides]:
        rides = Rides(valkey_port) if is_patched else ExplicitRides(valkey_port, create_pool)
        await rides.open(**options)
        try:
            yield rides
        finally:
            await rides.pool.connection_pool.disconnect()

    async def main(scenario: Scenario, options: dict[str, Any]) -> None:
        async with opened(**options) as rides:
            await scenario(rides)

    if is_patched:
        synthetic.instrument("arq")
    yield lambda scenario, **options: asyncio.run(main(scenario, options))
    if is_patched:
        synthetic.uninstrument("arq")
