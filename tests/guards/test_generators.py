"""Guards on generators and asynchronous generators."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterator
from typing import Any

import synthetic
from synthetic import guard, is_synthetic, simulated
from tests.guards.contract import FunctionContract


@guard("analytics")
def countdown(start: int) -> Iterator[int]:
    """A generator that other processes can find."""
    yield from range(start, 0, -1)


@guard("analytics")
async def countdown_later(start: int) -> AsyncIterator[int]:
    """An asynchronous generator that other processes can find."""
    for number in range(start, 0, -1):
        yield number


class TestGenerators(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        def charge(amount: int, *, currency: str = "EUR") -> Iterator[str]:
            """Charge somebody, in steps."""
            calls.append("real")
            yield f"real {amount}"
            yield currency

        return charge

    def fake(self, calls: list[str]) -> Any:
        def fake_charge(amount: int, *, currency: str = "EUR") -> Iterator[str]:
            calls.append("fake")
            yield f"fake {amount}"
            yield currency

        return fake_charge

    def at_module_level(self) -> Any:
        return countdown

    def ended(self, result: Any) -> Any:
        return list(result)

    def skipped(self, value: Any) -> Any:
        return []


class TestGeneratorMethods(TestGenerators):
    def plain(self, calls: list[str]) -> Any:
        def charge(self: Any, amount: int, *, currency: str = "EUR") -> Iterator[str]:
            """Charge somebody, in steps."""
            calls.append("real")
            yield f"real {type(self).__name__} {amount} {currency}"

        return charge

    def fake(self, calls: list[str]) -> Any:
        def fake_charge(self: Any, amount: int, *, currency: str = "EUR") -> Iterator[str]:
            calls.append("fake")
            yield f"fake {type(self).__name__} {amount} {currency}"

        return fake_charge

    def reached(self, decorated: Any) -> Any:
        return type("Kiosk", (), {"charge": decorated})().charge


class TestAsyncGenerators(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        async def charge(amount: int, *, currency: str = "EUR") -> AsyncIterator[str]:
            """Charge somebody, in steps."""
            calls.append("real")
            yield f"real {amount}"
            yield currency

        return charge

    def fake(self, calls: list[str]) -> Any:
        async def fake_charge(amount: int, *, currency: str = "EUR") -> AsyncIterator[str]:
            calls.append("fake")
            yield f"fake {amount}"
            yield currency

        return fake_charge

    def at_module_level(self) -> Any:
        return countdown_later

    def ended(self, result: Any) -> Any:
        async def collected() -> list[Any]:
            return [item async for item in result]

        return asyncio.run(collected())

    def skipped(self, value: Any) -> Any:
        return []


def test_a_skipped_generator_iterated_in_another_context_stays_skipped(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"):
        skipped = countdown(3)
    assert contextvars.Context().run(list, skipped) == []


def test_a_real_generator_runs_each_step_under_the_verdict_of_the_caller(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    @guard("analytics")
    def verdicts() -> Iterator[bool]:
        while True:
            yield is_synthetic()

    steps = verdicts()
    assert next(steps) is False
    with simulated(run="rush-hour"):
        assert next(steps) is True
    assert next(steps) is False


def test_send_and_close_reach_the_real_generator() -> None:
    @guard("analytics")
    def echo() -> Iterator[str]:
        heard = "nothing"
        while heard != "end":
            heard = yield heard  # type: ignore[misc]

    steps: Any = echo()
    assert next(steps) == "nothing"
    assert steps.send("hello") == "hello"
    steps.close()
    assert list(steps) == []
