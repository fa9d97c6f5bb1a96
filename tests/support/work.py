"""The work in force, as tests of messages and jobs name it, and ways to send from each kind of work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import uuid4

import synthetic
from synthetic._work.state import VERDICT
from tests.support.keys import entry, mint, shared_key

REAL: tuple[bool, str | None] = (False, None)
PEAK = (True, "peak")

FORGED = entry(mint(shared_key("test")))
"""A ``baggage`` header that is signed with another key under a known name."""


def in_force() -> tuple[bool, str | None]:
    """Whether the work is simulated, and its run. A verdict must be in force."""
    marker = synthetic.current()
    assert VERDICT.get() is not None
    return marker is not None, marker and marker.run


def work(run: str) -> AbstractContextManager[Any]:
    """Simulated work of this run, or real work for ``"real"``."""
    return synthetic.real() if run == "real" else synthetic.simulated(run=run)


@contextmanager
def instrumented(product: str) -> Iterator[None]:
    """Instrument a product until the block ends."""
    synthetic.instrument(product)
    try:
        yield
    finally:
        synthetic.uninstrument(product)


def new_name() -> str:
    return uuid4().hex


def send_from_both(send: Callable[[str], Any]) -> tuple[str, str]:
    """Send one message from simulated work and one from real work; returns both names."""
    simulated, real = new_name(), new_name()
    with synthetic.simulated(run="peak"):
        send(simulated)
    with synthetic.real():
        send(real)
    return simulated, real


async def await_from_both(send: Callable[[str], Awaitable[Any]]) -> tuple[str, str]:
    """The same with a coroutine function."""
    simulated, real = new_name(), new_name()
    with synthetic.simulated(run="peak"):
        await send(simulated)
    with synthetic.real():
        await send(real)
    return simulated, real


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def is_on_after(steps: tuple[str, ...] | list[str], on: str = "ours on", off: str = "ours off") -> list[bool]:
    """For each of these steps, whether our part is switched on after it."""
    is_on, after = False, []
    for step in steps:
        is_on = step == on or (is_on and step != off)
        after.append(is_on)
    return after
