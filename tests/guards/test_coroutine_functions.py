"""Guards on coroutine functions."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from typing import Any

import pytest

import synthetic
from synthetic import EffectRefused, guard, simulated
from tests.guards.contract import FunctionContract


@guard("payment")
async def double(amount: int) -> int:
    """A coroutine function that other processes can find."""
    return 2 * amount


class TestCoroutineFunctions(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        async def charge(amount: int, *, currency: str = "EUR") -> str:
            """Charge somebody."""
            calls.append("real")
            return f"real {amount} {currency}"

        return charge

    def fake(self, calls: list[str]) -> Any:
        async def fake_charge(amount: int, *, currency: str = "EUR") -> str:
            calls.append("fake")
            return f"fake {amount} {currency}"

        return fake_charge

    def at_module_level(self) -> Any:
        return double

    def ended(self, result: Any) -> Any:
        assert inspect.iscoroutine(result)
        return asyncio.run(result)


class TestCoroutineMethods(TestCoroutineFunctions):
    def plain(self, calls: list[str]) -> Any:
        async def charge(self: Any, amount: int, *, currency: str = "EUR") -> str:
            """Charge somebody."""
            calls.append("real")
            return f"real {type(self).__name__} {amount} {currency}"

        return charge

    def fake(self, calls: list[str]) -> Any:
        async def fake_charge(self: Any, amount: int, *, currency: str = "EUR") -> str:
            calls.append("fake")
            return f"fake {type(self).__name__} {amount} {currency}"

        return fake_charge

    def reached(self, decorated: Any) -> Any:
        return type("Kiosk", (), {"charge": decorated})().charge


class TestCoroutineClassmethods(TestCoroutineMethods):
    def undecorated(self, plain: Any) -> Any:
        return classmethod(plain)

    def decorated(self, plain: Any, **options: Any) -> Any:
        return guard("payment", **options)(classmethod(plain))


def test_a_substitute_may_be_a_plain_function(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    @guard("payment", instead=lambda amount: -amount)
    async def charge(amount: int) -> int:
        raise AssertionError("the real one ran")

    with simulated(run="rush-hour"):
        assert asyncio.run(charge(3)) == -3


def test_a_refusal_is_raised_at_the_call_and_leaves_no_coroutine(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    with simulated(run="rush-hour"), pytest.raises(EffectRefused):
        double(1)


def test_each_task_uses_its_own_verdict(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    async def simulating(run: str) -> list[Any]:
        with simulated(run=run):
            await asyncio.sleep(0)
            return [await double(amount) for amount in range(5)]

    async def working() -> list[Any]:
        await asyncio.sleep(0)
        return [await double(amount) for amount in range(5)]

    async def main() -> list[Any]:
        return await asyncio.gather(*[simulating(f"run-{n}") for n in range(5)], *[working() for _ in range(5)])

    assert asyncio.run(main()) == [[None] * 5] * 5 + [[0, 2, 4, 6, 8]] * 5


def test_a_task_keeps_the_decision_made_at_the_call(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    async def main() -> tuple[Any, Any]:
        with simulated(run="rush-hour"):
            skipped = double(1)
        real = double(2)
        with simulated(run="rush-hour"):
            task = asyncio.ensure_future(real)
        return await contextvars.Context().run(asyncio.ensure_future, skipped), await task

    assert asyncio.run(main()) == (None, 4)
