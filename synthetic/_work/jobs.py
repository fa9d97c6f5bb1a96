"""A job: a call in another thread, greenlet or process, under the verdict of the code that submits it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from synthetic._work.carry import Carried
from synthetic._work.state import marked_verdict
from synthetic._work.workers import is_sender

__all__ = ["job_of"]

P = ParamSpec("P")
R = TypeVar("R")


def job_of(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` for a worker: under the current verdict, or unchanged if the current work has no marker.

    A function of a library that sends what everybody has handed over has no verdict, whatever work submits it.
    """
    verdict = marked_verdict()
    job: Any = function
    if verdict is None or isinstance(job, Carried):
        return function
    if _runs_in_context(job):
        # asyncio.to_thread: the job is the call in the copied context, whose own verdict is spent with its request.
        inner, *args = job.args
        return cast("Callable[P, R]", partial(job.func, job_of(inner), *args, **job.keywords))
    return Carried(None if is_sender(function) else verdict, function)


def _runs_in_context(job: Any) -> bool:
    return isinstance(job, partial) and isinstance(getattr(cast("Any", job.func), "__self__", None), Context)
