"""Performs each job under the verdict on its header, and with it all that belongs to the job.

These are its callbacks, its webhooks and the worker's exception handlers. If the job was stopped or its process was
killed, some of them are called in another process than the job.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from rq import get_current_job

from synthetic.errors import ConfigurationError, MessageRefused
from synthetic.integration import (
    REAL,
    Callback,
    Carried,
    IsOn,
    Patches,
    Real,
    Received,
    Unverified,
    claimed_by,
    under,
    verdict_on_values,
)
from synthetic_rq._headers import markers_in, read
from synthetic_rq._refusal import come_again

__all__ = ["PatchesOutsideJobs", "calling_back", "calling_out", "handling", "performing", "restoring"]

_log = logging.getLogger("synthetic")

_ADMITTED: Final = "_synthetic_verdict"
"""The attribute of a job with the verdict that it was admitted with, or None if it was refused."""


class PatchesOutsideJobs(Patches):
    """Patches that must not be put on inside of a job which was not admitted."""

    def instrument(self) -> None:
        """Put every patch on that is not on. Raises ConfigurationError inside of a job that was not admitted."""
        if (job := get_current_job()) is not None and _ADMITTED not in vars(job):
            raise ConfigurationError(
                "instrument('rq') comes too late inside of a job: the job was not admitted, and may be simulated. Call "
                "it before the worker starts. For the command rq worker, that is in the module of its --job-class."
            )
        super().instrument()


def restoring(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.restore``, which gets the fields that a job was saved with."""

    @wraps(original)
    def restore(job: Any, raw_data: Any) -> Any:
        restored = original(job, raw_data)
        if is_on():
            read(job, raw_data)
        return restored

    return restore


def performing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.perform``. A refused job fails, so that RQ's own retries and registries handle it."""

    @wraps(original)
    def perform(job: Any) -> Any:
        if not is_on():
            return original(job)
        try:
            verdict = verdict_on_values(markers_in(job))
        except MessageRefused as error:
            vars(job)[_ADMITTED] = None
            if error.is_later:
                come_again(job)
            raise
        vars(job)[_ADMITTED] = verdict
        return under(verdict, original, job)

    return perform


def _verdict_on(job: Any) -> Real | Received | None:
    """Return the verdict on a job, also if another process performed it or its run was halted since; None: refused."""
    if _ADMITTED in vars(job):
        return vars(job)[_ADMITTED]  # type: ignore[no-any-return]
    verdict = claimed_by(markers_in(job))
    return None if isinstance(verdict, Unverified) else verdict or REAL


def calling_back(original: property, is_on: IsOn) -> Any:
    """Wrap a property of ``Job`` that gives one of its callbacks. A refused job has none.

    The callback would belong to work that is known neither as real nor as simulated.
    """

    def callback(job: Any) -> Callable[..., Any] | None:
        function: Callable[..., Any] | None = original.__get__(job)
        if function is None or not is_on() or inspect.iscoroutinefunction(function):
            return function
        verdict = _verdict_on(job)
        if verdict is None:
            _log.warning("job %s was refused: its callback is not called", job.id)
            return None
        return Callback(verdict, function)  # equal to the function, which applications compare

    return _Callback(callback, original)


class _Callback(property):
    """A property that names the property that it wraps."""

    def __init__(self, get: Callable[[Any], Any], wrapped: Any) -> None:
        super().__init__(get)
        self.__wrapped__ = wrapped


def calling_out(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.send_webhooks``: its calls carry the marker of the job. A refused job sends none."""

    @wraps(original)
    def send_webhooks(job: Any, *args: Any, **kwargs: Any) -> Any:
        if not job.webhooks or not is_on():
            return original(job, *args, **kwargs)
        verdict = _verdict_on(job)
        return None if verdict is None else Carried(verdict, original)(job, *args, **kwargs)

    return send_webhooks


def handling(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Worker.handle_exception``, which calls the exception handlers, also for a refused job."""

    @wraps(original)
    def handle_exception(worker: Any, job: Any, *exc_info: Any) -> Any:
        verdict = _verdict_on(job) if is_on() else None
        if verdict is None:
            return original(worker, job, *exc_info)
        return Carried(verdict, original)(worker, job, *exc_info)

    return handle_exception
