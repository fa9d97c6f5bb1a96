"""Runs tasks that are called in the same process: by ``apply``, or by ``apply_async`` with ``task_always_eager``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

from celery.result import EagerResult  # type: ignore[import-untyped]
from celery.states import FAILURE  # type: ignore[import-untyped]
from celery.utils import uuid  # type: ignore[import-untyped]

from synthetic.errors import MessageRefused
from synthetic.integration import AdmittedMessage, IsOn, current_verdict, go_on_after, has_marker, verdict_on_values
from synthetic_celery._headers import departing, markers_in
from synthetic_celery._refusal import TaskRefused

__all__ = ["applying"]


def applying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Task.apply``. The call is part of the caller's work, and runs under its verdict.

    If no verdict is in force, a marker in the caller's own headers counts as it would over a broker.
    """

    @wraps(original)
    def apply(task: Any, *args: Any, headers: Any = None, **options: Any) -> Any:
        if not headers or not is_on():
            return original(task, *args, headers=headers, **options)
        values: Sequence[str] = ()
        try:
            headers, _ = departing(headers)
            if current_verdict() is None:
                values = markers_in(headers)
        except Exception as error:
            headers = go_on_after(error, headers)
        if not has_marker(values):
            return original(task, *args, headers=headers, **options)
        try:
            admitted = AdmittedMessage(verdict_on_values(values))
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
