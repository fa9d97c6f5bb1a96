"""The marker in gevent's greenlets, and in the jobs of its thread pools.

``synthetic.instrument("gevent")`` covers ``spawn``, ``spawn_later``, ``spawn_raw``, pools and groups, thread pools, and
the threads of monkey-patched programs. After ``synthetic.uninstrument("gevent")``, running greenlets keep their
verdict. Links (``link``, ``rawlink``) run without a verdict: link ``synthetic.carry(callback)``.
"""

from __future__ import annotations

from synthetic.integration import Integration, Patches
from synthetic_gevent._greenlets import RAW, SPAWNED
from synthetic_gevent._pools import POOLS

__all__ = ["integration"]

integration: Integration = Patches(*RAW, *POOLS, SPAWNED)
"""The entry point ``gevent``."""
