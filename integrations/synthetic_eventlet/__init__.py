"""The marker in eventlet's green threads, and in the calls of its thread pool.

``instrument()`` (or ``synthetic.instrument("eventlet")``) covers ``spawn``, ``spawn_n``, ``spawn_after``, green pools
and piles, and ``tpool.execute``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import eventlet.greenthread  # type: ignore[import-untyped]
import eventlet.tpool  # type: ignore[import-untyped]

from synthetic._carry import Carried
from synthetic._greenlets import carry_into, to_carry
from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches

__all__ = ["instrument", "integration", "uninstrument"]


def _made(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``GreenThread.__init__``: whatever makes one has it started right after."""

    @wraps(original)
    def __init__(thread: Any, *args: Any, **kwargs: Any) -> None:
        original(thread, *args, **kwargs)
        if is_on():
            carry_into(thread)

    return __init__


def _spawned(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``_spawn_n``, which makes the greenlets of ``spawn_n``."""

    @wraps(original)
    def _spawn_n(*args: Any, **kwargs: Any) -> Any:
        timer, greenlet = original(*args, **kwargs)
        if is_on():
            carry_into(greenlet)
        return timer, greenlet

    return _spawn_n


def _executed(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``tpool.execute``: its threads are started once, and serve everybody."""

    @wraps(original)
    def execute(meth: Any, *args: Any, **kwargs: Any) -> Any:
        verdict = to_carry() if is_on() else None
        return original(meth if verdict is None else Carried(verdict, meth), *args, **kwargs)

    return execute


integration: Integration = Patches(
    Patch(eventlet.greenthread.GreenThread, "__init__", _made),
    Patch(eventlet.greenthread, "_spawn_n", _spawned),
    Patch(eventlet.tpool, "execute", _executed),
)
"""The entry point ``eventlet``."""


def instrument() -> None:
    """Carry the verdict into every green thread and call from now on. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Green threads that were started keep what they have."""
    integration.uninstrument()
