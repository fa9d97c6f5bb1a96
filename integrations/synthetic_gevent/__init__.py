"""The marker in gevent's greenlets, and in the jobs of its thread pools.

``instrument()`` (or ``synthetic.instrument("gevent")``) covers ``spawn``, ``spawn_later``, ``spawn_raw``, pools and
groups, and ``ThreadPool``. What a greenlet is linked to (``link``, ``rawlink``) runs under no verdict: link
``synthetic.carry(callback)``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.hub  # type: ignore[import-untyped]
import gevent.threadpool  # type: ignore[import-untyped]

from synthetic._carry import Carried
from synthetic._greenlets import carry_into, to_carry
from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches

__all__ = ["instrument", "integration", "uninstrument"]


def _raw(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``spawn_raw``: its greenlets are none of gevent's class, and tell nobody that they start."""

    @wraps(original)
    def spawn_raw(function: Any, *args: Any, **kwargs: Any) -> Any:
        greenlet = original(function, *args, **kwargs)
        if is_on():
            carry_into(greenlet)
        return greenlet

    return spawn_raw


def _job(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``ThreadPool.spawn``, which all its other ways to give it a job call."""

    @wraps(original)
    def spawn(pool: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        verdict = to_carry() if is_on() else None
        return original(pool, func if verdict is None else Carried(verdict, func), *args, **kwargs)

    return spawn


class _Integration:
    """Greenlets are told of by gevent itself, when they are started; their class can't be patched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_on = False
        self._patches = Patches(
            Patch(gevent, "spawn_raw", _raw),
            Patch(gevent.hub, "spawn_raw", _raw),
            Patch(gevent.threadpool.ThreadPool, "spawn", _job),
        )

    def instrument(self) -> None:
        with self._lock:
            self._patches.instrument()
            if not self._is_on:
                gevent.Greenlet.add_spawn_callback(carry_into)
                self._is_on = True

    def uninstrument(self) -> None:
        with self._lock:
            self._patches.uninstrument()
            if self._is_on:
                gevent.Greenlet.remove_spawn_callback(carry_into)
                self._is_on = False


integration: Integration = _Integration()
"""The entry point ``gevent``."""


def instrument() -> None:
    """Carry the verdict into every greenlet and job from now on. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Greenlets that were started keep what they have."""
    integration.uninstrument()
