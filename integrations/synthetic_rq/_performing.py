"""Jobs where they are performed: each under the verdict on its own header, and what belongs to it, too.

That are its callbacks, its webhooks and the worker's exception handlers, some of which are called in another process
than the job was: after it was stopped, or its process was killed.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from synthetic._admission import judged
from synthetic._arrival import arrive, under
from synthetic._carry import Carried
from synthetic._config import active
from synthetic._patch import IsOn
from synthetic._verdict import REAL, Real, Received, Unverified
from synthetic.errors import MessageRefused
from synthetic_rq._header import markers_in

__all__ = ["LATER_AFTER", "calling_back", "calling_out", "handling", "is_performed_by_us", "performing"]

_log = logging.getLogger("synthetic")

LATER_AFTER = 0.2
"""Seconds that a job holds its worker which can't be taken now: it is back in its queue at once."""

_ADMITTED: Final = "_synthetic_verdict"
"""The attribute of a job that was admitted or, with None, refused."""


def performing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.perform``. A job that is refused fails, and RQ's own retries and registries have it."""

    @wraps(original)
    def perform(job: Any) -> Any:
        if not is_on():
            return original(job)
        try:
            verdict = arrive(markers_in(job))
        except MessageRefused as error:
            vars(job)[_ADMITTED] = None
            if error.is_later:
                _come_again(job)
            raise
        vars(job)[_ADMITTED] = verdict
        return under(verdict, original, job)

    return perform


def is_performed_by_us(job: Any) -> bool:
    """Whether a job that runs was admitted."""
    return _ADMITTED in vars(job)


def _come_again(job: Any) -> None:
    """Have RQ retry a job once more than it would: this time does not count."""
    job.retries_left = (job.retries_left or 0) + 1
    if not job.retry_intervals or not any(job.retry_intervals):
        time.sleep(LATER_AFTER)


def _verdict_on(job: Any) -> Real | Received | None:
    """The verdict on a job that may have been performed elsewhere, whatever has been halted since; None: refused."""
    if _ADMITTED in vars(job):
        return vars(job)[_ADMITTED]  # type: ignore[no-any-return]
    verdict = judged(markers_in(job), active())
    return None if isinstance(verdict, Unverified) else verdict or REAL


def calling_back(original: property, is_on: IsOn) -> Any:
    """Wrap a property of ``Job`` that gives one of its callbacks. A job that is refused has none.

    It would be called as part of work of which nobody knows what it is.
    """

    def callback(job: Any) -> Callable[..., Any] | None:
        function: Callable[..., Any] | None = original.__get__(job)
        if function is None or not is_on() or inspect.iscoroutinefunction(function):
            return function
        verdict = _verdict_on(job)
        if verdict is None:
            _log.warning("job %s was refused: its callback is not called", job.id)
            return None
        return Carried(verdict, function)

    return _Callback(callback, original)


class _Callback(property):
    """A property that says what it wraps."""

    def __init__(self, get: Callable[[Any], Any], wrapped: Any) -> None:
        super().__init__(get)
        self.__wrapped__ = wrapped


def calling_out(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.send_webhooks``: calls on behalf of the job, with its marker. A job that is refused sends none."""

    @wraps(original)
    def send_webhooks(job: Any, *args: Any, **kwargs: Any) -> Any:
        if not job.webhooks or not is_on():
            return original(job, *args, **kwargs)
        verdict = _verdict_on(job)
        return None if verdict is None else Carried(verdict, original)(job, *args, **kwargs)

    return send_webhooks


def handling(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Worker.handle_exception``, which tells the exception handlers; of a refused job, too."""

    @wraps(original)
    def handle_exception(worker: Any, job: Any, *exc_info: Any) -> Any:
        verdict = _verdict_on(job) if is_on() else None
        if verdict is None:
            return original(worker, job, *exc_info)
        return Carried(verdict, original)(worker, job, *exc_info)

    return handle_exception
