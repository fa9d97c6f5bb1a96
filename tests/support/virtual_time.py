"""asyncio's own event loop with a virtual clock: only waiting and ``busy`` let time pass, so other load is no matter.

An arrival that comes while the loop is busy is late. All late arrivals come in with one look at the clock, as they do
with sockets.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Has no sockets to wait for. It lets the time pass until the next timer."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing will ever happen: every task waits, and no timer is set")
        self.loop.busy(max(timeout, 0))
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` is in seconds from its beginning."""

    def __init__(self) -> None:
        self._present = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._present

    def busy(self, seconds: float) -> None:
        """Take this time of the processor."""
        self._present += seconds


def run(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; what it leaves behind is cancelled."""
    try:
        done = loop.run_until_complete(work)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(_ended(left))
        return done
    finally:
        loop.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
