"""Automatic shedding (``shed="auto"``): simulated work takes no room that real users need.

At most ``shed_limit`` pieces of simulated work are under way in a process, each in a place of its own. On an event loop
a request that got a place goes behind everything that is ready, first. If that takes long, the loop is busy, and the
request is shed. That is the idea of CoDel (RFC 8289), the sojourn time of the request itself, with a limit of
concurrency. Real work is neither counted nor delayed nor measured.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import coroutine
from typing import Any, Final

__all__ = ["LONGEST_TURN", "PATIENCE", "SHARED", "Place", "go_to_the_back", "take_place", "waits_elsewhere"]

LONGEST_TURN: Final = 0.002
"""Seconds. A loop that takes longer to come round is busy."""

PATIENCE: Final = 1.0
"""Seconds after which a request on an event loop loses its place to another one. It waits for something else, as a long
poll does, and takes no time of the process."""

_MOST_WAITING: Final = 10
"""Times the limit: so many pieces of simulated work may be under way, if nearly all of them wait. A database that hangs
must not collect more and more of them."""

_ROUNDS: Final = 3
"""Of the loop: behind all that is ready, and behind what the next look at the sockets brings."""

now: Callable[[], float] = time.monotonic

_taken: Final[dict[int, float]] = {}
"""The places that are taken, by identity, and the time from which on others may take each."""

_taking = threading.RLock()  # the collector may run a finaliser in the middle, and that anything


class Place:
    """Room for one piece of simulated work. It is given back at the latest when nothing holds it any more."""

    __slots__ = ()

    def give_back(self) -> None:
        """Let others have the place. It does not matter if that was done before."""
        _taken.pop(id(self), None)

    __del__ = give_back


class _Shared:
    """The place of a part of work that has a place already."""

    __slots__ = ()

    def give_back(self) -> None:
        """Do nothing: the work goes on."""


SHARED: Final = _Shared()


def take_place(limit: int, *, patience: float = float("inf")) -> Place | None:
    """Return a place, or None if all are taken. After ``patience`` seconds, others may take it."""
    with _taking:
        if len(_taken) >= limit:
            present = now()
            waiting = sum(until <= present for until in list(_taken.values()))
            if len(_taken) - waiting >= limit or len(_taken) >= limit * _MOST_WAITING:
                return None
        place = Place()
        _taken[id(place)] = now() + patience
    return place


def waits_elsewhere() -> bool:
    """Whether threads are greenlets here. Then work that waits takes no thread from others, as on an event loop."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return True
    eventlet = sys.modules.get("eventlet.patcher")
    return eventlet is not None and bool(eventlet.is_monkey_patched("thread"))


async def go_to_the_back() -> bool:
    """Let everything go first that the event loop has to do. Return whether it had time."""
    begun = now()
    for _ in range(_ROUNDS):
        await _one_round()
    return now() - begun <= LONGEST_TURN


def _one_round() -> Any:
    trio = sys.modules.get("trio.lowlevel")
    if trio is not None and _is_in_task_of(trio):  # asked first: trio can be a guest of asyncio's loop
        return trio.checkpoint()
    asyncio = sys.modules.get("asyncio.tasks")
    return _asyncio_round() if asyncio is not None and _is_in_task_of(asyncio) else _no_round()


def _is_in_task_of(library: Any) -> bool:
    try:
        return library.current_task() is not None
    except RuntimeError:
        return False  # its loop does not run here


@coroutine
def _asyncio_round() -> Any:
    yield  # as asyncio.sleep(0) does


async def _no_round() -> None:
    """Somebody else runs this coroutine, and it is unknown how to wait."""


def _empty() -> None:
    """Empty a forked child's places: their work goes on in the parent."""
    global _taking
    _taking = threading.RLock()
    _taken.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_empty)
