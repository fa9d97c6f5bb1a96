"""The types of guarded callables, without and with ``instead`` and ``returns``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

from typing_extensions import assert_type

from synthetic import allows, guard, guard_target


@guard("analytics")
def count(event: str, *, times: int = 1) -> int:
    return len(event) * times


@guard("payment", returns=0)
def charge(amount: int) -> int:
    return amount


def fake_refund(amount: int) -> int:
    return -amount


@guard("payment", instead=fake_refund)
def refund(amount: int) -> int:
    return amount


@guard("analytics")
async def send(event: str) -> int:
    return len(event)


@guard("analytics", returns=0)
async def send_keeping(event: str) -> int:
    return len(event)


@guard("analytics")
def events(count: int) -> Iterator[int]:
    yield from range(count)


@guard("analytics")
def steps(count: int) -> Generator[int, str, bytes]:
    yield from range(count)
    return b""


@guard("analytics")
async def ticks(count: int) -> AsyncIterator[int]:
    for tick in range(count):
        yield tick


@guard("data-mutation")
@contextmanager
def over(name: str) -> Generator[str, None, None]:
    yield name


@contextmanager
@guard("data-mutation")
def under(name: str) -> Generator[str, None, None]:
    yield name


@guard("data-mutation")
@asynccontextmanager
async def over_async(name: str) -> AsyncGenerator[str, None]:
    yield name


@asynccontextmanager
@guard("data-mutation")
async def under_async(name: str) -> AsyncGenerator[str, None]:
    yield name


class Till:
    @guard("payment")
    def charge(self, amount: int) -> int:
        return amount

    @guard("payment", returns=0)
    def charge_keeping(self, amount: int) -> int:
        return amount

    @guard("payment")
    async def charge_later(self, amount: int) -> int:
        return amount

    @classmethod
    @guard("payment")
    def of_class(cls, amount: int) -> int:
        return amount

    @staticmethod
    @guard("payment")
    def static(amount: int) -> int:
        return amount


def test_a_guard_without_a_value_adds_none_to_the_result() -> None:
    assert_type(count("ride", times=2), int | None)
    assert_type(Till().charge(1), int | None)
    assert_type(Till.of_class(1), int | None)
    assert_type(Till.static(1), int | None)
    assert count("ride") == 4


def test_a_guard_with_a_value_keeps_the_result() -> None:
    assert_type(charge(1), int)
    assert_type(refund(1), int)
    assert_type(Till().charge_keeping(1), int)
    assert (charge(1), refund(1)) == (1, 1)


def test_guarded_functions_keep_their_parameters() -> None:
    keeps: Callable[[int], int] = charge
    adds: Callable[[str], int | None] = count
    assert keeps(3) == adds("abc") == 3


async def awaits() -> tuple[int | None, int, int | None]:
    assert_type(await send("ride"), int | None)
    assert_type(await send_keeping("ride"), int)
    assert_type(await Till().charge_later(1), int | None)
    return await send("ride"), await send_keeping("ride"), await Till().charge_later(1)


def test_a_guarded_coroutine_function_stays_one_and_may_return_none() -> None:
    coroutine: Coroutine[Any, Any, int | None] = send("ride")
    coroutine.close()
    assert asyncio.run(awaits()) == (4, 4, 1)


def test_generators_keep_their_types() -> None:
    assert_type(events(2), Iterator[int])
    assert_type(steps(2), Generator[int, str, bytes])
    assert_type(ticks(2), AsyncIterator[int])
    assert list(events(2)) == [0, 1]


def test_context_managers_keep_the_type_they_yield() -> None:
    takes_manager(over("a"))
    takes_manager(under("a"))
    with over("a") as one, under("b") as two:
        assert_type(one, str)
        assert_type(two, str)
        assert (one, two) == ("a", "b")


def takes_manager(manager: AbstractContextManager[str]) -> None:
    assert hasattr(manager, "__enter__")


def takes_async_manager(manager: AbstractAsyncContextManager[str]) -> None:
    assert hasattr(manager, "__aenter__")


def test_asynchronous_context_managers_keep_the_type_they_yield() -> None:
    takes_async_manager(over_async("a"))
    takes_async_manager(under_async("a"))
    assert asyncio.run(enters()) == "ab"


async def enters() -> str:
    async with over_async("a") as one, under_async("b") as two:
        assert_type(one, str)
        assert_type(two, str)
        return one + two


def test_a_target_can_be_undone() -> None:
    assert_type(guard_target("json:dump", "data-mutation").undo(), None)


def test_allows_returns_a_bool() -> None:
    assert_type(allows("analytics"), bool)
