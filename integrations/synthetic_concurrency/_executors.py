"""Executors of ``concurrent.futures``: a job runs under its submitter's verdict, and its worker has none."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import wraps
from typing import Any

from synthetic._job import Job, job_of
from synthetic._patch import IsOn, LatePatches, Patch
from synthetic._verdict import REAL, VERDICT, current_verdict
from synthetic._workers import is_undecided, started_unset

__all__ = ["EXECUTORS"]

_get_verdict = VERDICT.get


def _submitting_to_thread(original: Any, is_on: IsOn) -> Any:
    """Wrap ``ThreadPoolExecutor.submit``, which ``map`` and ``run_in_executor`` call, too.

    The worker that it may start is one of those that ``_threads`` starts without a verdict.
    """

    @wraps(original)
    def submit(*args: Any, **kwargs: Any) -> Any:
        if _get_verdict() is REAL or not is_on() or len(args) < 2:
            # Nearly every job. To pass on what came, and no keywords where none came, takes a third of the time.
            return original(*args, **kwargs) if kwargs else original(*args)
        pool, fn, *others = args
        return original(pool, job_of(fn), *others, **kwargs)

    return submit


def _submitting_to_process(original: Any, is_on: IsOn) -> Any:
    """Wrap ``ProcessPoolExecutor.submit``, which starts worker processes and the threads that serve them."""

    @wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if is_undecided() or not is_on():
            return original(self, fn, *args, **kwargs)
        return started_unset(original, self, job_of(fn), *args, **kwargs)

    return submit


def _calling_back(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Future.add_done_callback``: whoever completes the future is not who waits for it."""

    @wraps(original)
    def add_done_callback(self: Any, fn: Any) -> Any:
        return original(self, Job(current_verdict(), fn) if is_on() else fn)

    return add_done_callback


EXECUTORS = (
    Patch(ThreadPoolExecutor, "submit", _submitting_to_thread),
    Patch(Future, "add_done_callback", _calling_back),
    LatePatches(
        "concurrent.futures.process",
        lambda process: [Patch(process.ProcessPoolExecutor, "submit", _submitting_to_process)],
    ),
)
