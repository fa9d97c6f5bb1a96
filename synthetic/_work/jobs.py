"""A job: a call in another thread, greenlet or process, under the verdict of the code that submits it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from synthetic._model.verdict import REAL, Real, Simulated, Unverified
from synthetic._work.carry import Carried
from synthetic._work.state import VERDICT, current_verdict
from synthetic._work.workers import is_sender

__all__ = ["job_of", "marked_verdict"]

P = ParamSpec("P")
R = TypeVar("R")

_get_verdict = VERDICT.get


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


def marked_verdict() -> Simulated | Unverified | None:
    """Return the verdict on the current work if it has a marker, verified or not; None for all other work.

    Only such a verdict is passed on. A worker that real work starts gets no verdict: with one, the worker would ignore
    every propagated marker.
    """
    verdict = _get_verdict()
    if verdict is REAL:
        return None
    verdict = current_verdict()
    return None if verdict is None or isinstance(verdict, Real) else verdict
