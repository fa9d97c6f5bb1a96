"""Executors of ``concurrent.futures``, loky and joblib: a job has its submitter's verdict, and its worker has none."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import wraps
from typing import Any

from synthetic.integration import (
    REAL,
    VERDICT,
    Carried,
    IsOn,
    LatePatches,
    Patch,
    current_verdict,
    job_of,
    without_verdict,
)

__all__ = ["EXECUTORS"]

_get_verdict = VERDICT.get


def _submitting_to_thread(original: Any, is_on: IsOn) -> Any:
    """Wrap ``ThreadPoolExecutor.submit``, which ``map`` and ``run_in_executor`` call, too.

    It may start a worker: ``_threads`` starts it without a verdict.
    """

    @wraps(original)
    def submit(*args: Any, **kwargs: Any) -> Any:
        if _get_verdict() is REAL or not is_on() or len(args) < 2:
            # Nearly every job. Passing the arguments on unchanged, without empty keywords, takes a third of the time.
            return original(*args, **kwargs) if kwargs else original(*args)
        pool, fn, *others = args
        return original(pool, job_of(fn), *others, **kwargs)

    return submit


def _submitting_to_process(original: Any, is_on: IsOn) -> Any:
    """Wrap ``ProcessPoolExecutor.submit``, which starts worker processes and the threads that serve them."""

    @wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not is_on():
            return original(self, fn, *args, **kwargs)
        return without_verdict(original, self, job_of(fn), *args, **kwargs)

    return submit


def _calling_back(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Future.add_done_callback``: the work that completes a future need not be the work that waits for it."""

    @wraps(original)
    def add_done_callback(self: Any, fn: Any) -> Any:
        return original(self, Carried(current_verdict(), fn) if is_on() else fn)

    return add_done_callback


def _patches_on_processes(module: Any) -> list[Patch]:
    return [Patch(module.ProcessPoolExecutor, "submit", _submitting_to_process)]


_PROCESS_EXECUTORS = ("concurrent.futures.process", "loky.process_executor", "joblib.externals.loky.process_executor")

EXECUTORS: tuple[Patch | LatePatches, ...] = (
    Patch(ThreadPoolExecutor, "submit", _submitting_to_thread),
    Patch(Future, "add_done_callback", _calling_back),
    *(LatePatches(module, _patches_on_processes) for module in _PROCESS_EXECUTORS),
)
