"""Workers: threads and processes that live on, and hear every job. Whoever starts them, they have no verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any, Final, ParamSpec, TypeVar

from opentelemetry.context import get_current

from synthetic._verdict import VERDICT, enter, leave

__all__ = ["is_undecided", "is_worker", "started_unset"]

P = ParamSpec("P")
R = TypeVar("R")

_WORKERS: Final = ("concurrent.futures.", "logging.", "multiprocessing.", "opentelemetry.", "sentry_sdk.")
"""Whose threads and processes are workers: they live on, and what they do is not part of the work that needed them."""

_TAKE_JOBS: Final = {"concurrent.futures._base.Executor", "multiprocessing.pool.Pool", "multiprocessing.queues.Queue"}
"""By name: eventlet's patches come too late for multiprocessing's pools and queues once they are imported."""

_get_verdict = VERDICT.get


def is_worker(started: threading.Thread | BaseProcess) -> bool:
    """Whether a thread or process runs code of a library that keeps it for its own purposes.

    What is a method of a pool or queue was passed by whoever started it, to submit a job.
    """
    code: Any = getattr(started, "_target", None) or started.run
    if not str(getattr(code, "__module__", "")).startswith(_WORKERS):
        return False
    owner: Any = getattr(code, "__self__", None)
    return _TAKE_JOBS.isdisjoint(f"{kind.__module__}.{kind.__qualname__}" for kind in owner.__class__.__mro__)


def is_undecided() -> bool:
    """Whether nothing at all is in force, so that what is started now is unset by itself."""
    return _get_verdict() is None and not get_current()


def started_unset(start: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what starts a worker that is to hear every carrier: no verdict is in force meanwhile, not even real.

    Every other context variable stays, for a fork copies them.
    """
    if is_undecided():
        return start(*args, **kwargs)
    entered = enter(None)
    try:
        return start(*args, **kwargs)
    finally:
        leave(entered)
