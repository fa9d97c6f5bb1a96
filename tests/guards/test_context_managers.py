"""Guards over and under ``@contextmanager`` and ``@asynccontextmanager``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any

import pytest

import synthetic
from synthetic import guard, simulated
from tests.guards.contract import FunctionContract


@guard("data-mutation")
@contextmanager
def transaction(number: int) -> Iterator[int]:
    """A context manager that other processes can find."""
    yield number


@asynccontextmanager
@guard("data-mutation")
async def transaction_later(number: int) -> AsyncIterator[int]:
    """The asynchronous form, with the guard below."""
    yield number


class _Managers(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        def charge(amount: int, *, currency: str = "EUR") -> Iterator[str]:
            """Charge somebody while it lasts."""
            calls.append("real")
            yield f"real {amount} {currency}"

        return charge

    def made_fake(self, calls: list[str]) -> Any:
        def fake_charge(amount: int, *, currency: str = "EUR") -> Iterator[str]:
            calls.append("fake")
            yield f"fake {amount} {currency}"

        return fake_charge

    def at_module_level(self) -> Any:
        return transaction

    def undecorated(self, plain: Any) -> Any:
        return contextmanager(plain)

    def ended(self, result: Any) -> Any:
        with result as value:
            return value


class TestGuardOverContextmanager(_Managers):
    def plain(self, calls: list[str]) -> Any:
        return contextmanager(super().plain(calls))

    def fake(self, calls: list[str]) -> Any:
        return contextmanager(self.made_fake(calls))

    def undecorated(self, plain: Any) -> Any:
        return plain


class TestGuardUnderContextmanager(_Managers):
    def fake(self, calls: list[str]) -> Any:
        return self.made_fake(calls)

    def decorated(self, plain: Any, **options: Any) -> Any:
        return contextmanager(guard("payment", **options)(plain))


class TestGuardUnderContextmanagerOfAMethod(TestGuardUnderContextmanager):
    def plain(self, calls: list[str]) -> Any:
        def charge(self: Any, amount: int, *, currency: str = "EUR") -> Iterator[str]:
            """Charge somebody while it lasts."""
            calls.append("real")
            yield f"real {amount} {currency}"

        return charge

    def made_fake(self, calls: list[str]) -> Any:
        def fake_charge(self: Any, amount: int, *, currency: str = "EUR") -> Iterator[str]:
            calls.append("fake")
            yield f"fake {amount} {currency}"

        return fake_charge

    def reached(self, decorated: Any) -> Any:
        return type("Kiosk", (), {"charge": decorated})().charge


class _AsyncManagers(FunctionContract):
    def plain(self, calls: list[str]) -> Any:
        async def charge(amount: int, *, currency: str = "EUR") -> AsyncIterator[str]:
            """Charge somebody while it lasts."""
            calls.append("real")
            yield f"real {amount} {currency}"

        return charge

    def made_fake(self, calls: list[str]) -> Any:
        async def fake_charge(amount: int, *, currency: str = "EUR") -> AsyncIterator[str]:
            calls.append("fake")
            yield f"fake {amount} {currency}"

        return fake_charge

    def at_module_level(self) -> Any:
        return transaction_later

    def undecorated(self, plain: Any) -> Any:
        return asynccontextmanager(plain)

    def ended(self, result: Any) -> Any:
        async def entered() -> Any:
            async with result as value:
                return value

        return asyncio.run(entered())


class TestGuardOverAsynccontextmanager(_AsyncManagers):
    def plain(self, calls: list[str]) -> Any:
        return asynccontextmanager(super().plain(calls))

    def fake(self, calls: list[str]) -> Any:
        return asynccontextmanager(self.made_fake(calls))

    def undecorated(self, plain: Any) -> Any:
        return plain


class TestGuardUnderAsynccontextmanager(_AsyncManagers):
    def fake(self, calls: list[str]) -> Any:
        return self.made_fake(calls)

    def decorated(self, plain: Any, **options: Any) -> Any:
        return asynccontextmanager(guard("payment", **options)(plain))


class Session:
    """A context manager that is written as a class."""

    def __enter__(self) -> str:
        return "session"

    def __exit__(self, *error: object) -> None:
        pass


def test_the_block_of_a_skipped_context_manager_runs_and_its_exceptions_propagate(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    ran: list[object] = []
    with simulated(run="rush-hour"):
        with transaction(1) as number:
            ran.append(number)
        with pytest.raises(KeyError), transaction(2):
            raise KeyError("from the block")
    assert ran == [None]


def test_a_guarded_context_manager_works_as_a_decorator(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    entered: list[str] = []

    @guard("data-mutation")
    @contextmanager
    def logged() -> Iterator[None]:
        entered.append("real")
        yield

    @logged()
    def work() -> str:
        return "done"

    assert work() == "done"
    assert entered == ["real"]


def test_a_class_can_substitute_a_function_that_returns_a_context_manager(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    @guard("data-mutation", instead=Session)
    def connect() -> Session:
        raise AssertionError("the real one ran")

    with simulated(run="rush-hour"), connect() as session:
        assert session == "session"


def test_any_callable_that_returns_a_context_manager_can_substitute_one(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    @guard("data-mutation", instead=lambda name: nullcontext(f"fake {name}"))
    @contextmanager
    def connect(name: str) -> Iterator[str]:
        raise AssertionError("the real one ran")
        yield name

    @guard("data-mutation", instead=lambda name: nullcontext(f"fake {name}"))
    @asynccontextmanager
    async def connect_later(name: str) -> AsyncIterator[str]:
        raise AssertionError("the real one ran")
        yield name

    async def entered() -> str:
        async with connect_later("rides") as session:
            return session

    with simulated(run="rush-hour"):
        with connect("rides") as session:
            assert session == "fake rides"
        assert asyncio.run(entered()) == "fake rides"


def test_the_substitute_sees_exceptions_of_the_block_and_may_suppress_them(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    @guard("data-mutation", instead=lambda: suppress(KeyError))
    @contextmanager
    def transaction() -> Iterator[None]:
        raise AssertionError("the real one ran")
        yield

    with simulated(run="rush-hour"):
        with transaction():
            raise KeyError("swallowed")
        with pytest.raises(ValueError, match="not swallowed"), transaction():
            raise ValueError("not swallowed")
