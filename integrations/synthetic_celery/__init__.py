"""The marker in Celery tasks: in the headers of their messages, and in force while a worker runs them.

``instrument()`` (or ``synthetic.instrument("celery")``), in what sends tasks and in what runs them, covers every
application; ``SyntheticAMQP`` and ``SyntheticTask`` cover the one that is made with them.
"""

from __future__ import annotations

from typing import Any

import celery.concurrency.prefork  # type: ignore[import-untyped]
from celery.app.amqp import AMQP  # type: ignore[import-untyped]
from celery.app.task import Task  # type: ignore[import-untyped]
from celery.worker.request import Request  # type: ignore[import-untyped]

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_celery import _explicit
from synthetic_celery._eager import applying
from synthetic_celery._execution import Tracer, starting_unset
from synthetic_celery._failure import TaskRefused
from synthetic_celery._publish import Sender
from synthetic_celery._reception import of_its_task, receiving

__all__ = [
    "SyntheticAMQP",
    "SyntheticTask",
    "TaskRefused",
    "instrument",
    "integration",
    "uninstrument",
]

# Subclasses of what has no types.
SyntheticAMQP: Any = _explicit.SyntheticAMQP
SyntheticTask: Any = _explicit.SyntheticTask

_CALLBACKS = ("on_failure", "on_timeout", "_announce_cancelled", "_announce_revoked")
"""What a worker's main process says of a task, and whom it tells, once the pool can't."""

integration: Integration = Patches(
    Patch(AMQP, "send_task_message", Sender),
    Patch(Task, "start_strategy", receiving),
    Patch(Task, "__trace__", Tracer),
    Patch(Task, "apply", applying),
    *(Patch(Request, name, of_its_task) for name in _CALLBACKS),
    Patch(celery.concurrency.prefork, "process_initializer", starting_unset),
)
"""The entry point ``celery``."""


def instrument() -> None:
    """Carry the marker through every task that is sent or run from here. Done once, however often it is called.

    Before or after applications and tasks are made; in a worker, before it starts: in the module of its application.
    """
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
