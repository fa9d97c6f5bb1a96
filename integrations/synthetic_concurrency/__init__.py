"""The marker across threads, executors, processes and subprocesses.

``synthetic.instrument("concurrency")`` carries the verdict of the current work into threads and processes that it
starts and jobs that it submits, starts the workers of pools without a verdict, and calls ``admit_environment``. Without
patches, use ``synthetic.carry`` for a job, and ``environment`` and ``admit_environment`` at the two ends of a
subprocess.
"""

from __future__ import annotations

from synthetic.integration import Integration, Patches
from synthetic_concurrency._executors import EXECUTORS
from synthetic_concurrency._headers import environment
from synthetic_concurrency._in import THIS_PROCESS, admit_environment
from synthetic_concurrency._jobs import JOBS
from synthetic_concurrency._pools import POOLS
from synthetic_concurrency._processes import PROCESSES
from synthetic_concurrency._subprocesses import SUBPROCESSES
from synthetic_concurrency._threads import THREADS

__all__ = ["admit_environment", "environment", "integration"]

integration: Integration = Patches(*THREADS, *EXECUTORS, *PROCESSES, *POOLS, *JOBS, *SUBPROCESSES, THIS_PROCESS)
"""The entry point ``concurrency``."""
