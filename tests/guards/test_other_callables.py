"""Guards on partials, builtins and callable objects, and errors for values that cannot be guarded."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from typing import Any

import pytest

import synthetic
from synthetic import guard, simulated
from tests.guards.contract import GuardContract


class TestPartials(GuardContract):
    def plain(self, calls: list[str]) -> Any:
        def charge(account: str, amount: int, *, currency: str = "EUR") -> str:
            """Charge somebody."""
            calls.append("real")
            return f"real {account} {amount} {currency}"

        return functools.partial(charge, "rider")

    def fake(self, calls: list[str]) -> Any:
        def fake_charge(amount: int, *, currency: str = "EUR") -> str:
            calls.append("fake")
            return f"fake {amount} {currency}"

        return fake_charge


class TestCallableObjects(GuardContract):
    def plain(self, calls: list[str]) -> Any:
        class Charge:
            """Charges somebody."""

            def __call__(self, amount: int, *, currency: str = "EUR") -> str:
                calls.append("real")
                return f"real {amount} {currency}"

        return Charge()

    def fake(self, calls: list[str]) -> Any:
        def fake_charge(amount: int, *, currency: str = "EUR") -> str:
            calls.append("fake")
            return f"fake {amount} {currency}"

        return fake_charge


class TestBuiltinMethods(GuardContract):
    def plain(self, calls: list[str]) -> Any:
        return calls.append

    def fake(self, calls: list[str]) -> Any:
        return lambda word: calls.append("fake")

    def called(self, function: Any) -> Any:
        return function("real")


def test_a_builtin_keeps_its_name_and_signature(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    guarded = guard("analytics")(math.gcd)
    assert (guarded.__name__, guarded.__doc__) == ("gcd", math.gcd.__doc__)
    assert str(inspect.signature(guarded)) == str(inspect.signature(math.gcd))
    assert guarded(12, 18) == 6
    with simulated(run="rush-hour"):
        assert guarded(12, 18) is None


def test_a_partial_of_a_coroutine_function_is_skipped_as_a_coroutine(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    async def charge(account: str, amount: int) -> str:
        return f"{account} {amount}"

    guarded = guard("payment")(functools.partial(charge, "rider"))
    assert asyncio.run(guarded(1)) == "rider 1"
    with simulated(run="rush-hour"):
        assert asyncio.run(guarded(1)) is None


def test_an_object_with_an_async_call_is_skipped_as_a_coroutine(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    class Charge:
        async def __call__(self, amount: int) -> int:
            return amount

    guarded = guard("payment")(Charge())
    assert asyncio.run(guarded(1)) == 1
    with simulated(run="rush-hour"):
        assert asyncio.run(guarded(1)) is None


def test_a_function_under_another_decorator_can_be_guarded(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    @guard("payment")
    @functools.lru_cache
    def price(distance: int) -> int:
        return 2 * distance

    assert price(4) == 8
    with simulated(run="rush-hour"):
        assert price(4) is None


@pytest.mark.parametrize("target", [42, "charge", None, property(lambda self: 1)])
def test_guarding_a_value_that_is_not_callable_raises(target: Any) -> None:
    with pytest.raises(TypeError, match="guard\\('payment'\\) is for functions and methods"):
        guard("payment")(target)


def test_a_class_cannot_be_guarded() -> None:
    class Till:
        pass

    with pytest.raises(TypeError, match=r"the class Till is neither\. Guard its methods\."):
        guard("payment")(Till)


def test_instead_and_returns_exclude_each_other() -> None:
    with pytest.raises(TypeError, match="instead= and returns= exclude each other"):
        guard("payment", instead=print, returns=None)  # type: ignore[call-overload]


def test_a_substitute_that_is_not_callable_is_an_error_at_decoration() -> None:
    with pytest.raises(TypeError, match="instead='fake' is not callable"):
        guard("payment", instead="fake")  # type: ignore[call-overload]


@pytest.mark.parametrize("effect", ["", None, print])
def test_an_effect_must_be_a_name(effect: Any) -> None:
    with pytest.raises(TypeError, match="the effect must be a name, as in"):
        guard(effect)
