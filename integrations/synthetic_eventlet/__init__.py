"""The marker in eventlet's green threads, and in the calls of its thread pool.

``instrument()`` (or ``synthetic.instrument("eventlet")``) covers ``spawn``, ``spawn_n``, ``spawn_after``, green pools
and piles, ``tpool``, and the threads of monkey-patched programs.
"""

from __future__ import annotations

from synthetic._instrument import Integration
from synthetic._patch import Patches
from synthetic_eventlet._greenlets import GREENLETS
from synthetic_eventlet._tpool import Tpool

__all__ = ["instrument", "integration", "uninstrument"]


class _Integration:
    """The patches on greenlets, and on the thread pool where that is used."""

    def __init__(self) -> None:
        self._greenlets = Patches(*GREENLETS)
        self._tpool = Tpool()

    def instrument(self) -> None:
        self._greenlets.instrument()
        self._tpool.instrument()

    def uninstrument(self) -> None:
        self._tpool.uninstrument()
        self._greenlets.uninstrument()


integration: Integration = _Integration()
"""The entry point ``eventlet``."""


def instrument() -> None:
    """Carry the verdict into every green thread and call from now on. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Green threads that were started keep what they have."""
    integration.uninstrument()
