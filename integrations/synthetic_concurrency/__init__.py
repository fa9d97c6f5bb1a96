"""The marker across threads, executors, processes and subprocesses.

``instrument()`` (or ``synthetic.instrument("concurrency")``) carries the verdict of whoever starts a thread or a
process, or submits a job, and starts the workers of pools without one. Without patches: ``synthetic.carry`` for a job,
``environment`` and ``admit_environment`` for the two ends of a subprocess.
"""

from __future__ import annotations

from synthetic._instrument import Integration
from synthetic._patch import Patches
from synthetic_concurrency._admitted import admit_environment, forget_environment
from synthetic_concurrency._environment import environment
from synthetic_concurrency._executors import EXECUTORS
from synthetic_concurrency._pools import POOLS
from synthetic_concurrency._processes import PROCESSES
from synthetic_concurrency._subprocesses import SUBPROCESSES
from synthetic_concurrency._threads import THREADS

__all__ = ["admit_environment", "environment", "instrument", "integration", "uninstrument"]


class _Concurrency:
    """The patches, and what this process was started as."""

    def __init__(self) -> None:
        self._patches = Patches(*THREADS, *EXECUTORS, *PROCESSES, *POOLS, *SUBPROCESSES)

    def instrument(self) -> None:
        self._patches.instrument()
        admit_environment()

    def uninstrument(self) -> None:
        forget_environment()
        self._patches.uninstrument()


integration: Integration = _Concurrency()
"""The entry point ``concurrency``."""


def instrument() -> None:
    """Carry the verdict into threads, pools and processes, and admit this one by its environment. Done once."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
