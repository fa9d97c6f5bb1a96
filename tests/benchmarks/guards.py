"""Guarded callables in real work, beside the check that one would write by hand."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from typing import Any

import synthetic
from synthetic import guard, is_synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Goal, Row, at_most

_CALL = "call(17)"
_AWAIT = """
coroutine = call(17)
try:
    coroutine.send(None)
except StopIteration:
    pass
"""


def by_hand(function: Any) -> Any:
    """What one would write."""

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if is_synthetic():
            return None
        return function(*args, **kwargs)

    return checked


def by_hand_async(function: Any) -> Any:
    """The same for a coroutine function."""

    @functools.wraps(function)
    async def checked(*args: Any, **kwargs: Any) -> Any:
        if is_synthetic():
            return None
        return await function(*args, **kwargs)

    return checked


def charge(amount: int) -> int:
    return amount


async def charge_async(amount: int) -> int:
    return amount


class Payments:
    @guard("payment")
    def charge(self, amount: int) -> int:
        return amount

    @guard("payment")
    async def charge_async(self, amount: int) -> int:
        return amount

    @by_hand
    def charge_by_hand(self, amount: int) -> int:
        return amount

    @by_hand_async
    async def charge_by_hand_async(self, amount: int) -> int:
        return amount


def called(effort: Effort) -> Iterator[Row]:
    """Functions and methods, plain and asynchronous."""
    yield _row("function", _CALL, {"call": guard("payment")(charge)}, {"call": by_hand(charge)}, effort, at_most(1.0))
    # The method is looked up at each call, as in a program.
    payments = {"payments": Payments()}
    ours, peer = "payments.charge", "payments.charge_by_hand"
    yield _row("method", _CALL, payments, payments, effort, at_most(1.25), ours, peer)
    yield _row(
        "coroutine function",
        _AWAIT,
        {"call": guard("payment")(charge_async)},
        {"call": by_hand_async(charge_async)},
        effort,
    )
    # Before Python 3.12, a guarded coroutine function is a wrapt proxy, and to bind one takes long.
    goal = at_most(1.0) if sys.version_info >= (3, 12) else None
    yield _row("coroutine method", _AWAIT, payments, payments, effort, goal, f"{ours}_async", f"{peer}_async")


def _row(
    what: str,
    code: str,
    ours: dict[str, Any],
    peer: dict[str, Any],
    effort: Effort,
    goal: Goal | None = None,
    call: str = "call",
    call_by_hand: str = "call",
) -> Row:
    times = interleaved(
        {
            "ours": Case(statement(code.replace("call", call), **ours), synthetic.real),
            "peer": Case(statement(code.replace("call", call_by_hand), **peer), synthetic.real),
        },
        effort.rounds,
    )
    return Row(f"guarded {what}, real", times.of("ours"), "an if by hand", times.of("peer"), goal)
