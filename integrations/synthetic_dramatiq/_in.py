"""Processes each message of a worker under its own verdict, and with it all that middleware does before and after.

This covers retries, the next message of a pipeline, callbacks, and stored results.
"""

from __future__ import annotations

from contextvars import Context
from functools import wraps
from typing import Any

from synthetic.integration import IsOn, under, verdict_on
from synthetic_dramatiq._refusal import note_refused, refusal_of

__all__ = ["processing", "running"]


def processing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``WorkerThread.process_message``."""

    @wraps(original)
    def process_message(thread: Any, message: Any) -> Any:
        if not is_on():
            return original(thread, message)
        try:
            verdict = verdict_on(message.options, takes_place=True)
        except Exception as error:  # raised here, it would end the worker's thread
            note_refused(message, refusal_of(error))
            return original(thread, message)
        return under(verdict, original, thread, message)

    return process_message


def running(original: Any, is_on: IsOn) -> Any:
    """Wrap the ``run`` of a worker's thread. It starts with no verdict, because it lives on after what starts it.

    Such a thread also enqueues messages that were delayed, unchanged.
    """

    @wraps(original)
    def run(thread: Any) -> Any:
        return Context().run(original, thread) if is_on() else original(thread)

    return run
