"""The types of ``simulated``, ``real`` and the functions that report the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from typing_extensions import assert_type

from synthetic import Marker, configure, configured, current, headers, is_synthetic, real, simulated


@simulated(run="rush-hour", kind="load")
def book(seats: int, *, late: bool = False) -> str:
    return f"{seats}{late}"


@real()
async def refresh(token: str) -> int:
    return len(token)


class Pool:
    @real()
    def ping(self, times: int) -> int:
        return times


def test_the_block_of_a_simulation_gets_the_marker(keys: dict[str, Any]) -> None:
    configure(keys=keys)
    with simulated(run="rush-hour", kind="load", actor="rider-7", scenario="book") as marker:
        assert_type(marker, Marker)
        assert marker.actor == "rider-7"


def test_the_block_of_real_work_gets_none() -> None:
    with real() as nothing:
        assert_type(nothing, None)
    assert is_synthetic() is False


def test_a_decorated_function_keeps_its_type(keys: dict[str, Any]) -> None:
    configure(keys=keys)
    assert_type(book(1, late=True), str)
    keeps: Callable[[int], str] = book
    assert keeps(1) == "1False"


def test_a_decorated_coroutine_function_keeps_its_type() -> None:
    async def main() -> int:
        assert_type(await refresh("abc"), int)
        return await refresh("abc")

    assert asyncio.run(main()) == 3


def test_a_decorated_method_keeps_its_type() -> None:
    assert_type(Pool().ping(2), int)
    assert Pool().ping(2) == 2


def test_functions_that_report_the_verdict_have_precise_types() -> None:
    assert_type(current(), Marker | None)
    assert_type(is_synthetic(), bool)
    assert_type(headers(), dict[str, str])
    assert headers() == {}


def test_a_kind_is_one_of_five() -> None:
    marker = Marker("rush-hour")
    assert marker.kind in ("simulation", "load", "monitor", "replay", "test")
    assert_type(marker.actor, str | None)


def test_configure_accepts_the_documented_settings(keys: dict[str, Any]) -> None:
    assert_type(configure(keys=keys, policy={"payment": "skip"}, internal_hosts=["payments"], lifetime="10m"), None)
    with configured(environment="staging", edge=False) as nothing:
        assert_type(nothing, None)
