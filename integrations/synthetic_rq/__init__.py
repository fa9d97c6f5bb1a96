"""The marker in RQ jobs: in a field of their own in Redis, and in force while a worker performs them.

``instrument()`` (or ``synthetic.instrument("rq")``), in what enqueues jobs and in what performs them, covers every
queue and worker; ``SyntheticJob`` covers those that are made with it.
"""

from __future__ import annotations

from rq import Worker, get_current_job
from rq.job import Job

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic.errors import ConfigurationError
from synthetic_rq._explicit import SyntheticJob
from synthetic_rq._performing import calling_back, calling_out, handling, is_performed_by_us, performing
from synthetic_rq._saving import creating, restoring, saving

__all__ = ["SyntheticJob", "instrument", "integration", "uninstrument"]

_CALLBACKS = ("success_callback", "failure_callback", "stopped_callback")

_worker = next(owner for owner in Worker.__mro__ if "handle_exception" in vars(owner))


class _Patches(Patches):
    def instrument(self) -> None:
        if (job := get_current_job()) is not None and not is_performed_by_us(job):
            raise ConfigurationError(
                "instrument('rq') comes too late inside of a job: that was not admitted, and may be simulated. Let the "
                "worker do it when it starts, or start it with: rq worker --job-class synthetic_rq.SyntheticJob"
            )
        super().instrument()


integration: Integration = _Patches(
    Patch(Job, "create", creating),
    Patch(Job, "to_dict", saving),
    Patch(Job, "restore", restoring),
    Patch(Job, "perform", performing),
    *(Patch(Job, name, calling_back) for name in _CALLBACKS),
    *([Patch(Job, "send_webhooks", calling_out)] if hasattr(Job, "send_webhooks") else []),
    Patch(_worker, "handle_exception", handling),
)
"""The entry point ``rq``."""


def instrument() -> None:
    """Carry the marker through every job that is enqueued or performed here. Done once, however often it is called.

    In a worker, before it starts. ConfigurationError inside of a job: its worker has imported nothing of yours before.
    """
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
