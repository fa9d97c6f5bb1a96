"""The marker in gevent's greenlets, and in the jobs of its thread pools.

``instrument()`` (or ``synthetic.instrument("gevent")``) covers ``spawn``, ``spawn_later``, ``spawn_raw``, pools and
groups, thread pools, and the threads of monkey-patched programs. Links (``link``, ``rawlink``) run under no verdict:
link ``synthetic.carry(callback)``.
"""

from __future__ import annotations

import threading

from gevent import Greenlet  # type: ignore[import-untyped]

from synthetic._instrument import Integration
from synthetic._patch import Patches
from synthetic_gevent._greenlets import RAW, starting
from synthetic_gevent._pools import POOLS

__all__ = ["instrument", "integration", "uninstrument"]


class _Integration:
    """Greenlets are told of by gevent itself, when they are started: their class is compiled, and can't be patched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._patches = Patches(*RAW, *POOLS)

    def instrument(self) -> None:
        with self._lock:
            self._patches.instrument()
            Greenlet.add_spawn_callback(starting)  # a set has them

    def uninstrument(self) -> None:
        with self._lock:
            Greenlet.remove_spawn_callback(starting)
            self._patches.uninstrument()


integration: Integration = _Integration()
"""The entry point ``gevent``."""


def instrument() -> None:
    """Carry the verdict into every greenlet and job from now on. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Greenlets that were started keep what they have."""
    integration.uninstrument()
