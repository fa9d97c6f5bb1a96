"""Carries the marker in RQ jobs: it has a field of its own in Redis, and is in force while a worker performs the job.

``synthetic.instrument("rq")`` covers every queue and worker. Call it in the processes that enqueue jobs and in the
workers that perform them; in a worker, call it before the worker starts. Inside of a job it raises ConfigurationError,
because that job was not admitted. Without it, make queues and workers with ``SyntheticJob``.
"""

from __future__ import annotations

from rq import Worker
from rq.job import Job

from synthetic.integration import Integration, Patch
from synthetic_rq._explicit import SyntheticJob
from synthetic_rq._in import PatchesOutsideJobs, calling_back, calling_out, handling, performing, restoring
from synthetic_rq._out import creating, saving

__all__ = ["SyntheticJob", "integration"]

_CALLBACKS = ("success_callback", "failure_callback", "stopped_callback")

_worker = next(owner for owner in Worker.__mro__ if "handle_exception" in vars(owner))

integration: Integration = PatchesOutsideJobs(
    Patch(Job, "create", creating),
    Patch(Job, "to_dict", saving),
    Patch(Job, "restore", restoring),
    Patch(Job, "perform", performing),
    *(Patch(Job, name, calling_back) for name in _CALLBACKS),
    *([Patch(Job, "send_webhooks", calling_out)] if hasattr(Job, "send_webhooks") else []),
    Patch(_worker, "handle_exception", handling),
)
"""The entry point ``rq``."""
