"""Tasks in a pool, be it of processes, threads or greenlets: each runs under the verdict on its own message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from billiard.einfo import ExceptionInfo  # type: ignore[import-untyped]
from celery.app.task import Context  # type: ignore[import-untyped]
from celery.app.trace import TraceInfo, trace_ok_t  # type: ignore[import-untyped]
from celery.exceptions import Ignore, Reject  # type: ignore[import-untyped]
from celery.states import IGNORED, REJECTED  # type: ignore[import-untyped]

from synthetic._arrival import arrive, under
from synthetic._patch import IsOn
from synthetic._verdict import enter, leave
from synthetic.errors import MessageRefused
from synthetic_celery import _failure
from synthetic_celery._failure import TaskRefused, fail
from synthetic_celery._headers import markers_of

__all__ = ["Tracer", "starting_unset"]


class Tracer:
    """In place of ``Task.__trace__``, the function that runs a task with all that belongs to it.

    That is before and after its body: handlers, signals, callbacks, the next of a chain, the body of a chord. A worker
    sets it for every task; here it is wrapped whenever it is asked for.
    """

    def __init__(self, original: Any, is_on: IsOn) -> None:
        self.__wrapped__ = original
        self._is_on = is_on

    def __get__(self, task: Any, owner: Any = None) -> Any:
        if task is None:
            return self.__wrapped__
        trace: Any = task.__dict__.get("__trace__")
        if trace is None or not self._is_on():
            return trace
        ours = task.__dict__.get("_synthetic_trace")
        if ours is None or ours.args[0] is not trace:
            ours = task.__dict__["_synthetic_trace"] = partial(_run, trace, task)
        return ours

    def __set__(self, task: Any, trace: Any) -> None:
        task.__dict__["__trace__"] = trace

    def __delete__(self, task: Any) -> None:
        del task.__dict__["__trace__"]


def _run(trace: Callable[..., Any], task: Any, uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
    try:
        verdict = arrive(markers_of(request))
    except MessageRefused as error:
        return _not_run(task, Context(request or {}, args=args, kwargs=kwargs, called_directly=False), error)
    return under(verdict, trace, uuid, args, kwargs, request)


def _not_run(task: Any, context: Any, error: MessageRefused) -> Any:
    """What comes of a task that was received, and is not admitted now: halted since, or kept for too long."""
    try:
        if error.is_later:
            _send_again(task, context)
            raise Ignore(str(error))
        refused = TaskRefused(error.reason)
        fail(task, context, refused)
        raise Reject(refused, requeue=False)
    except (Ignore, Reject) as outcome:
        state = REJECTED if isinstance(outcome, Reject) else IGNORED
        return trace_ok_t(ExceptionInfo(internal=True), TraceInfo(state, outcome), 0.0, None)


def _send_again(task: Any, context: Any) -> None:
    """Send the task once more, as it came, for a while from now; it may be acknowledged already."""
    entered = enter(None)
    try:
        task.signature_from_request(
            context, context.args, context.kwargs, countdown=_failure.LATER_AFTER, retries=context.retries
        ).apply_async()
    except Exception as error:
        raise Reject(error, requeue=True) from error
    finally:
        leave(entered)


def starting_unset(original: Any, is_on: IsOn) -> Any:
    """Wrap ``process_initializer``, with which a process of the pool starts, whatever was in force where it forked."""

    @wraps(original)
    def process_initializer(*args: Any, **kwargs: Any) -> Any:
        if is_on():
            enter(None)
        return original(*args, **kwargs)

    return process_initializer
