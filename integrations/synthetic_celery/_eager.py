"""Tasks that are called in the same process: ``apply``, and ``apply_async`` under ``task_always_eager``."""

from __future__ import annotations

from functools import wraps
from typing import Any

from celery.result import EagerResult  # type: ignore[import-untyped]
from celery.states import FAILURE  # type: ignore[import-untyped]
from celery.utils import uuid  # type: ignore[import-untyped]

from synthetic._arrival import Admitted, arrive
from synthetic._baggage import find
from synthetic._config import active
from synthetic._patch import IsOn
from synthetic._verdict import current_verdict
from synthetic.errors import MessageRefused
from synthetic_celery._failure import TaskRefused
from synthetic_celery._headers import departing, markers_in

__all__ = ["applying"]


def applying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Task.apply``. The call is part of the caller's work, and stays under its verdict.

    The caller's own headers count as they would over a broker: a marker in them, where nothing is decided yet.
    """

    @wraps(original)
    def apply(task: Any, *args: Any, headers: Any = None, **options: Any) -> Any:
        if not headers or not is_on():
            return original(task, *args, headers=headers, **options)
        headers, _ = departing(headers)
        values = markers_in(headers) if current_verdict() is None else []
        if find(values, active().key).is_empty:
            return original(task, *args, headers=headers, **options)
        try:
            admitted = Admitted(arrive(values))
        except MessageRefused as error:
            return _refused(task, TaskRefused(error.reason), **options)
        with admitted:
            return original(task, *args, headers=headers, **options)

    return apply


def _refused(
    task: Any, error: TaskRefused, *, throw: bool | None = None, task_id: str | None = None, **options: Any
) -> Any:
    if task.app.conf.task_eager_propagates if throw is None else throw:
        raise error
    return EagerResult(task_id or uuid(), error, FAILURE, name=task.name)
