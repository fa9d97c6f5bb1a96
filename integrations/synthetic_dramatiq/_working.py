"""Messages in a worker: each is processed under its own verdict, with all that middleware does before and after.

That are retries, the next of a pipeline, callbacks, and what is stored as a result.
"""

from __future__ import annotations

from contextvars import Context
from functools import wraps
from typing import Any, Final

from synthetic._arrival import arrive_with, under
from synthetic._patch import IsOn
from synthetic.errors import MessageRefused
from synthetic_dramatiq._options import mark, unmark
from synthetic_dramatiq._refusal import refusal_of, refuse

__all__ = ["ending", "processing", "running", "starting"]

_REFUSED: Final = "_synthetic_refused"
"""The attribute of a message that was not admitted, with the error."""


def starting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Broker.emit_before``, which every broker calls before it enqueues, and every worker before it processes.

    What is raised here is not lost, as an error in middleware is.
    """

    @wraps(original)
    def emit_before(broker: Any, signal: str, *args: Any, **kwargs: Any) -> Any:
        if signal == "enqueue":
            if is_on():
                mark(args[0].options)
        elif signal == "process_message":
            message: Any = args[0]
            error: MessageRefused | None = message.__dict__.pop(_REFUSED, None)
            if error is not None:
                raise refuse(broker, message, error) from None
        return original(broker, signal, *args, **kwargs)

    return emit_before


def ending(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Broker.emit_after``, which every broker calls when it has enqueued a message."""

    @wraps(original)
    def emit_after(broker: Any, signal: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(broker, signal, *args, **kwargs)
        finally:
            if signal == "enqueue":
                unmark(args[0].options)

    return emit_after


def processing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``WorkerThread.process_message``."""

    @wraps(original)
    def process_message(thread: Any, message: Any) -> Any:
        if not is_on():
            return original(thread, message)
        try:
            verdict = arrive_with(message.options)
        except Exception as error:  # what is raised here would end the worker's thread
            setattr(message, _REFUSED, refusal_of(error))
            return original(thread, message)
        return under(verdict, original, thread, message)

    return process_message


def running(original: Any, is_on: IsOn) -> Any:
    """Wrap the ``run`` of a worker's thread: it lives on, and must not hold what was in force where it was started.

    Messages that were delayed are enqueued by such a thread, as they came.
    """

    @wraps(original)
    def run(thread: Any) -> Any:
        return Context().run(original, thread) if is_on() else original(thread)

    return run
