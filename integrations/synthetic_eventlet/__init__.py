"""The marker in eventlet's green threads, and in the calls of its thread pool.

``synthetic.instrument("eventlet")`` covers ``spawn``, ``spawn_n``, ``spawn_after``, green pools and piles, ``tpool``,
and the threads of monkey-patched programs. After ``synthetic.uninstrument("eventlet")``, running green threads keep
their verdict.
"""

from __future__ import annotations

from synthetic.integration import Integration, Patches
from synthetic_eventlet._greenlets import GREENLETS
from synthetic_eventlet._tpool import TPOOL

__all__ = ["integration"]

integration: Integration = Patches(*GREENLETS, TPOOL)
"""The entry point ``eventlet``."""
