"""A job: a call in another thread, greenlet or process, under the verdict of the code that submits it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast

from synthetic._model.verdict import Verdict
from synthetic._work.carry import Carried, for_work
from synthetic._work.scopes import Scope
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
    own = None if is_sender(function) else verdict
    if _is_coroutine_function(function):
        return cast("Callable[P, R]", _awaited(own, job))
    return Carried(own, function)


def _is_coroutine_function(function: Any) -> bool:
    """Whether a library would await what the function returns, after the call; asyncio looks for a mark, too."""
    mark = getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", None)
    is_marked = mark is not None and getattr(function, "_is_coroutine", None) is mark
    return is_marked or inspect.iscoroutinefunction(function)


def _awaited(verdict: Verdict | None, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(function)
    async def job(*args: Any, **kwargs: Any) -> Any:
        with Scope(None, lambda: for_work(verdict)):
            return await function(*args, **kwargs)

    return job


def _runs_in_context(job: Any) -> bool:
    return isinstance(job, partial) and isinstance(getattr(cast("Any", job.func), "__self__", None), Context)
