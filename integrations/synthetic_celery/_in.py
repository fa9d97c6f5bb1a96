"""Runs each task of a worker under the verdict on its message, in processes, threads or greenlets.

A task is admitted twice. The worker's main process does so before it acknowledges the message and gives the task to the
pool: it rejects the message of a refused task, whether the task acknowledges early or late. The pool does so again
before the task runs, because its run may be halted meanwhile, or the task may have waited for too long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final

from celery.app.task import Context  # type: ignore[import-untyped]

from synthetic.errors import MessageRefused
from synthetic.integration import AdmittedMessage, IsOn, Received, enter, under, verdict_on_values
from synthetic_celery._headers import has_eta, markers_of, markers_received
from synthetic_celery._refusal import hold, not_run, refused_in

__all__ = ["CALLBACKS", "Tracer", "cover_request", "making", "of_its_task", "receiving", "starting_unset"]


def receiving(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Task.start_strategy``, which gives a worker its handler for the messages of one task."""

    @wraps(original)
    def start_strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Any:
        handle: Callable[..., Any] = original(task, app, consumer, **options)

        @wraps(handle)
        def receive(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
            if is_on():
                try:
                    markers = markers_received(message)
                    verdict = verdict_on_values(markers, takes_place=bool(markers) and not has_eta(message))
                except MessageRefused as error:
                    if error.is_later:
                        return hold(consumer, message)
                    raise refused_in(app, task, message, body, error) from None
                message.synthetic_verdict = verdict
                if isinstance(verdict, Received):  # signals, and the application's own class of requests
                    # The place is the task's, and not that of its receipt.
                    message.synthetic_place, verdict.place = verdict.place, None
                    try:
                        return under(verdict, handle, message, body, ack, reject, callbacks)
                    except BaseException:
                        _give_place_back(message)
                        raise
            return handle(message, body, ack, reject, callbacks)

        return receive

    return start_strategy


def of_its_task(original: Any, is_on: IsOn) -> Any:
    """Wrap a method of a worker's ``Request`` that reports a task which failed, timed out or was revoked.

    It runs in the main process. The error callbacks and signals that it calls belong to the task.
    """
    is_end = original.__name__ in CALLBACKS

    @wraps(original)
    def method(request: Any, *args: Any, **kwargs: Any) -> Any:
        verdict = getattr(request.message, "synthetic_verdict", None)
        if verdict is None or not is_on():
            return original(request, *args, **kwargs)
        try:
            with AdmittedMessage(verdict):
                return original(request, *args, **kwargs)
        finally:
            if is_end and not (kwargs.get("soft") or (args and args[0] is True)):  # a soft time limit is no end
                _give_place_back(request.message)

    return method


def giving_place_back(original: Any) -> Any:
    """Wrap ``Request.on_success``, which Celery calls in the main process when a task has ended; also a failed one."""

    @wraps(original)
    def on_success(request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(request, *args, **kwargs)
        finally:
            _give_place_back(request.message)

    return on_success


def _give_place_back(message: Any) -> None:
    """Let another simulated task run. Celery may keep the message for long, as the last one that it has received."""
    place: Any = getattr(message, "synthetic_place", None)
    if place is not None:
        message.synthetic_place = None
        place.give_back()


CALLBACKS: Final = ("on_failure", "on_timeout", "_announce_cancelled", "_announce_revoked")
"""What a worker's main process calls for a task that the pool cannot report on any more: methods of ``Request``."""

_OTHERS: Final = ("on_accepted", "on_retry", "on_success", "cancel", "execute_using_pool", "revoked", "terminate")
"""Methods in which Celery itself runs no code of the application."""


def making(original: Any, is_on: IsOn) -> Any:
    """Wrap ``create_request_cls``, which makes the class of the requests of one task, from ``Task.Request``."""

    @wraps(original)
    def create_request_cls(*args: Any, **kwargs: Any) -> Any:
        made: Any = original(*args, **kwargs)
        if is_on():
            cover_request(made, is_on)
        return made

    return create_request_cls


def cover_request(made: Any, is_on: IsOn) -> None:
    """Cover what the application's own class of requests does, also before and after it calls ``super()``."""
    own = [
        kind for kind in made.__mro__ if not kind.__module__.startswith(("celery.", "synthetic_celery.", "builtins"))
    ]
    for name in (*CALLBACKS, *_OTHERS):
        if any(name in vars(kind) for kind in own):
            setattr(made, name, of_its_task(getattr(made, name), is_on))
    made.on_success = giving_place_back(made.on_success)


class Tracer:
    """Replaces ``Task.__trace__``, the function that runs a task and all that belongs to it.

    Beside the body these are handlers, signals, callbacks, the next task of a chain and the body of a chord. A worker
    sets the function for every task; this class wraps it each time it is read.
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
        if "__trace__" not in task.__dict__:
            raise AttributeError("__trace__")
        del task.__dict__["__trace__"]


def _run(trace: Callable[..., Any], task: Any, uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
    markers = markers_of(request)
    try:
        # A task that had to wait for its time took no place meanwhile. Any other has the one that it was received with.
        verdict = verdict_on_values(markers, takes_place=bool(markers) and request.get("eta") is not None)
    except MessageRefused as error:
        return not_run(task, Context(request or {}, args=args, kwargs=kwargs, called_directly=False), error)
    return under(verdict, trace, uuid, args, kwargs, request)


def starting_unset(original: Any, is_on: IsOn) -> Any:
    """Wrap ``process_initializer``. A process of the pool starts with no verdict, whatever was in force at its fork."""

    @wraps(original)
    def process_initializer(*args: Any, **kwargs: Any) -> Any:
        if is_on():
            enter(None)
        return original(*args, **kwargs)

    return process_initializer
