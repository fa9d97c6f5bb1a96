"""Carries the marker in arq jobs: Redis stores it beside their arguments, and it is in force while a worker runs them.

``synthetic.instrument("arq")`` covers every pool and worker, before or after you make them. Call it in the processes
that enqueue jobs and in the workers that run them; for the ``arq`` command, call it in the module of its worker
settings. Without it, make pools with ``create_pool`` and workers with ``SyntheticWorker``.
"""

from __future__ import annotations

import arq.connections
import arq.jobs
import arq.worker

from synthetic.integration import Integration, Patch, Patches
from synthetic_arq._explicit import SyntheticArqRedis, SyntheticWorker, create_pool
from synthetic_arq._in import reading, receiving, running, starting
from synthetic_arq._out import writing

__all__ = ["SyntheticArqRedis", "SyntheticWorker", "create_pool", "integration"]

integration: Integration = Patches(
    Patch(arq.connections, "serialize_job", writing),
    Patch(arq.connections, "deserialize_job", reading),
    Patch(arq.jobs, "deserialize_job", reading),
    Patch(arq.worker, "deserialize_job_raw", receiving),
    Patch(arq.worker.Worker, "run_job", running),
    Patch(arq.worker.Worker, "main", starting),
)
"""The entry point ``arq``."""
