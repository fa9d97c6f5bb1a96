"""Fixtures for the tests of arq."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import synthetic
from tests.products.arq import Scenario, rides_on


@pytest.fixture(params=["instrumented", "explicit"])
def play(request: pytest.FixtureRequest, keys: dict[str, Any], valkey_port: int) -> Any:
    """Plays a scenario, with patches and without."""
    synthetic.configure(keys=keys)
    is_patched = request.param == "instrumented"

    async def main(scenario: Scenario, options: dict[str, Any]) -> None:
        async with rides_on(valkey_port, is_patched=is_patched, **options) as rides:
            await scenario(rides)

    if is_patched:
        synthetic.instrument("arq")
    yield lambda scenario, **options: asyncio.run(main(scenario, options))
    if is_patched:
        synthetic.uninstrument("arq")
