"""Jobs without patches: queues and workers that are made with this class of jobs are covered."""

from __future__ import annotations

from typing import Any

from rq.job import Job

from synthetic.integration import always_on
from synthetic_rq._in import calling_back, calling_out, performing, restoring
from synthetic_rq._out import creating, saving

__all__ = ["SyntheticJob"]


_job: Any = Job


class SyntheticJob(Job):
    """A job that carries the marker: pass ``job_class=SyntheticJob`` to queues and to workers.

    A worker calls its exception handlers outside of the job's work. Only ``synthetic.instrument("rq")`` covers those.
    """

    create: Any = creating(vars(Job)["create"], always_on)
    to_dict: Any = saving(_job.to_dict, always_on)
    restore: Any = restoring(_job.restore, always_on)
    perform: Any = performing(Job.perform, always_on)
    success_callback: Any = calling_back(vars(Job)["success_callback"], always_on)
    failure_callback: Any = calling_back(vars(Job)["failure_callback"], always_on)
    stopped_callback: Any = calling_back(vars(Job)["stopped_callback"], always_on)
    if hasattr(Job, "send_webhooks"):
        send_webhooks: Any = calling_out(Job.send_webhooks, always_on)
