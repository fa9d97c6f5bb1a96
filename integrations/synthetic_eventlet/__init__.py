"""The marker in eventlet's green threads, and in the calls of its thread pool.

``instrument()`` (or ``synthetic.instrument("eventlet")``) covers ``spawn``, ``spawn_n``, ``spawn_after``, green pools
and piles, ``tpool``, and the threads of monkey-patched programs.
"""

from __future__ import annotations

from synthetic._instrument import Integration
from synthetic._patch import Patches
from synthetic_eventlet._greenlets import GREENLETS
from synthetic_eventlet._tpool import TPOOL

__all__ = ["instrument", "integration", "uninstrument"]

integration: Integration = Patches(*GREENLETS, TPOOL)
"""The entry point ``eventlet``."""


def instrument() -> None:
    """Carry the verdict into every green thread and call from now on. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Green threads that were started keep what they have."""
    integration.uninstrument()
