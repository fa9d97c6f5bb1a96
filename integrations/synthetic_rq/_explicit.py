"""The way without patches: queues and workers that are made with this class of jobs."""

from __future__ import annotations

from typing import Any

from rq.job import Job

from synthetic_rq._performing import calling_back, calling_out, performing
from synthetic_rq._saving import creating, restoring, saving

__all__ = ["SyntheticJob"]


_job: Any = Job


def _always() -> bool:
    return True


class SyntheticJob(Job):
    """A job that carries the marker: ``job_class=SyntheticJob`` for queues and for workers.

    A worker's exception handlers are called outside of the job's work: only ``instrument()`` covers those.
    """

    create: Any = creating(vars(Job)["create"], _always)
    to_dict: Any = saving(_job.to_dict, _always)
    restore: Any = restoring(_job.restore, _always)
    perform: Any = performing(Job.perform, _always)
    success_callback: Any = calling_back(vars(Job)["success_callback"], _always)
    failure_callback: Any = calling_back(vars(Job)["failure_callback"], _always)
    stopped_callback: Any = calling_back(vars(Job)["stopped_callback"], _always)
    if hasattr(Job, "send_webhooks"):
        send_webhooks: Any = calling_out(Job.send_webhooks, _always)
