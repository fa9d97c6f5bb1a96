"""Guards on methods, class methods and static methods, in both orders of the decorators."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from typing import Any

import pytest

import synthetic
from synthetic import guard, simulated
from tests.guards.contract import FunctionContract


class Till:
    """A class that other processes can find."""

    def __init__(self, rate: int = 2) -> None:
        self.rate = rate

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Till) and other.rate == self.rate

    @guard("payment")
    def exchange(self, amount: int) -> int:
        return self.rate * amount

    @guard("payment")
    async def exchange_later(self, amount: int) -> int:
        return self.rate * amount

    @classmethod
    @guard("payment")
    def of_class(cls, amount: int) -> str:
        return f"{cls.__name__} {amount}"

    @guard("payment")
    @staticmethod
    def static(amount: int) -> int:
        return amount


class Kiosk(Till):
    pass


class TestMethods(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        def charge(self: Any, amount: int, *, currency: str = "EUR") -> str:
            """Charge somebody."""
            calls.append("real")
            return f"real {type(self).__name__} {amount} {currency}"

        return charge

    def fake(self, calls: list[str]) -> Any:
        def fake_charge(self: Any, amount: int, *, currency: str = "EUR") -> str:
            calls.append("fake")
            return f"fake {type(self).__name__} {amount} {currency}"

        return fake_charge

    def at_module_level(self) -> Any:
        return Till.exchange

    def reached(self, decorated: Any) -> Any:
        return type("Kiosk", (), {"charge": decorated})().charge

    def test_a_guarded_method_can_be_called_through_its_class(self) -> None:
        plain = self.plain([])
        owner = type("Kiosk", (), {"charge": self.decorated(plain)})
        assert owner.charge(owner(), 1) == plain(owner(), 1)  # type: ignore[attr-defined]


class _OfClass(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        def charge(cls: Any, amount: int, *, currency: str = "EUR") -> str:
            """Charge somebody."""
            calls.append("real")
            return f"real {cls.__name__} {amount} {currency}"

        return charge

    def fake(self, calls: list[str]) -> Any:
        def fake_charge(cls: Any, amount: int, *, currency: str = "EUR") -> str:
            calls.append("fake")
            return f"fake {cls.__name__} {amount} {currency}"

        return fake_charge

    def undecorated(self, plain: Any) -> Any:
        return classmethod(plain)

    def at_module_level(self) -> Any:
        return Till.of_class

    def reached(self, decorated: Any) -> Any:
        made = decorated if isinstance(decorated, classmethod) else classmethod(decorated)
        return type("Kiosk", (), {"charge": made}).charge  # type: ignore[attr-defined]


class TestGuardUnderClassmethod(_OfClass):
    pass


class TestGuardOverClassmethod(_OfClass):
    def decorated(self, plain: Any, **options: Any) -> Any:
        made = guard("payment", **options)(plain if isinstance(plain, classmethod) else classmethod(plain))
        assert isinstance(made, classmethod)
        return made


class _Static(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        def charge(amount: int, *, currency: str = "EUR") -> str:
            """Charge somebody."""
            calls.append("real")
            return f"real {amount} {currency}"

        return charge

    def fake(self, calls: list[str]) -> Any:
        def fake_charge(amount: int, *, currency: str = "EUR") -> str:
            calls.append("fake")
            return f"fake {amount} {currency}"

        return fake_charge

    def undecorated(self, plain: Any) -> Any:
        return staticmethod(plain)

    def at_module_level(self) -> Any:
        return Till.static

    def reached(self, decorated: Any) -> Any:
        made = decorated if isinstance(decorated, staticmethod) else staticmethod(decorated)
        return type("Kiosk", (), {"charge": made})().charge  # type: ignore[attr-defined]


class TestGuardUnderStaticmethod(_Static):
    pass


class TestGuardOverStaticmethod(_Static):
    def decorated(self, plain: Any, **options: Any) -> Any:
        made = guard("payment", **options)(plain if isinstance(plain, staticmethod) else staticmethod(plain))
        assert isinstance(made, staticmethod)
        return made


@pytest.mark.parametrize("name", ["exchange", "exchange_later", "of_class", "static"])
def test_bound_methods_are_pickled_with_their_instance(name: str) -> None:
    bound = getattr(Till(rate=7), name)
    again = pickle.loads(pickle.dumps(bound))
    assert again.__name__ == name
    assert getattr(again, "__self__", None) == getattr(bound, "__self__", None)
    assert getattr(copy.copy(bound), "__self__", None) is getattr(bound, "__self__", None)
    assert getattr(copy.deepcopy(bound), "__self__", None) == getattr(bound, "__self__", None)


def test_a_guarded_method_runs_in_a_pool_of_spawned_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(Till(rate=3).exchange, [1, 2]) == [3, 6]


def test_inherited_methods_are_guarded_and_get_the_subclass(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    assert Kiosk(rate=5).exchange(2) == 10
    assert Kiosk.of_class(2) == "Kiosk 2"
    with simulated(run="rush-hour"):
        assert Kiosk(rate=5).exchange(2) is None
        assert Kiosk.of_class(2) is None


def test_an_override_runs_while_the_guarded_super_call_is_skipped(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    class Surcharging(Till):
        def exchange(self, amount: int) -> int:
            return (super().exchange(amount) or 0) + 1

    assert Surcharging().exchange(2) == 5
    with simulated(run="rush-hour"):
        assert Surcharging().exchange(2) == 1


def test_equal_instances_of_a_class_are_kept_apart(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    seen: list[Till] = []

    class Counting(Till):
        @guard("payment", instead=lambda self, amount: seen.append(self))
        def count(self, amount: int) -> None:
            raise AssertionError("the real one ran")

    one, other = Counting(), Counting()
    with simulated(run="rush-hour"):
        one.count(1)
        other.count(1)
    assert seen[0] is one
    assert seen[1] is other
