"""The marker in arq jobs: beside their arguments in Redis, and in force while a worker runs them.

``instrument()`` (or ``synthetic.instrument("arq")``), in what enqueues jobs and in what runs them, covers every pool
and worker; ``create_pool`` and ``SyntheticWorker`` make ones that need no patches.
"""

from __future__ import annotations

import arq.connections
import arq.jobs
import arq.worker

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_arq._explicit import SyntheticArqRedis, SyntheticWorker, create_pool
from synthetic_arq._reading import reading, receiving, writing
from synthetic_arq._running import running, starting

__all__ = ["SyntheticArqRedis", "SyntheticWorker", "create_pool", "instrument", "integration", "uninstrument"]

integration: Integration = Patches(
    Patch(arq.connections, "serialize_job", writing),
    Patch(arq.connections, "deserialize_job", reading),
    Patch(arq.jobs, "deserialize_job", reading),
    Patch(arq.worker, "deserialize_job_raw", receiving),
    Patch(arq.worker.Worker, "run_job", running),
    Patch(arq.worker.Worker, "main", starting),
)
"""The entry point ``arq``."""


def instrument() -> None:
    """Carry the marker through every job that is enqueued or run here. Done once, however often it is called.

    Before or after pools and workers are made; for the ``arq`` command, in the module of its worker settings.
    """
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
