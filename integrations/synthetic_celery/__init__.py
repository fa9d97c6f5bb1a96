"""Carries the marker in Celery tasks: it travels in the headers of their messages, and is in force while a task runs.

``synthetic.instrument("celery")`` covers every application, before or after applications and tasks are made. Call it in
the processes that send tasks and in the workers that run them; in a worker, call it before the worker starts, in the
module of its application. Without it, make an application with ``SyntheticAMQP`` and ``SyntheticTask``, which cover
that application only.
"""

from __future__ import annotations

from typing import Any

import celery.concurrency.prefork  # type: ignore[import-untyped]
import celery.worker.request  # type: ignore[import-untyped]
import celery.worker.strategy  # type: ignore[import-untyped]
from celery.app.amqp import AMQP  # type: ignore[import-untyped]
from celery.app.task import Task  # type: ignore[import-untyped]
from celery.worker.request import Request  # pyright: ignore[reportMissingTypeStubs]

from synthetic.integration import Integration, Patch, Patches
from synthetic_celery import _explicit
from synthetic_celery._in import CALLBACKS, Tracer, making, of_its_task, receiving, starting_unset
from synthetic_celery._in_eager import applying
from synthetic_celery._out import Sender
from synthetic_celery._refusal import TaskRefused

__all__ = ["SyntheticAMQP", "SyntheticTask", "TaskRefused", "integration"]

# Their base classes have no types.
SyntheticAMQP: Any = _explicit.SyntheticAMQP
SyntheticTask: Any = _explicit.SyntheticTask

integration: Integration = Patches(
    Patch(AMQP, "send_task_message", Sender),
    Patch(Task, "start_strategy", receiving),
    Patch(Task, "__trace__", Tracer),
    Patch(Task, "apply", applying),
    *(Patch(Request, name, of_its_task) for name in CALLBACKS),
    *(Patch(module, "create_request_cls", making) for module in (celery.worker.request, celery.worker.strategy)),
    Patch(celery.concurrency.prefork, "process_initializer", starting_unset),
)
"""The entry point ``celery``."""
