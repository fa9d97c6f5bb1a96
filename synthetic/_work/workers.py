"""Workers: threads and processes that live on and take jobs. They have no verdict, whatever work starts them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from opentelemetry.context import get_current

from synthetic._work.state import VERDICT, enter, leave

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

__all__ = ["is_worker", "started_unset"]

P = ParamSpec("P")
R = TypeVar("R")

_WORKERS: Final = ("concurrent.futures.", "logging.", "multiprocessing.", "opentelemetry.", "sentry_sdk.")
"""Modules whose threads and processes are workers: they live on, and are not part of the work that started them."""

_TAKE_JOBS: Final = {"concurrent.futures._base.Executor", "multiprocessing.pool.Pool", "multiprocessing.queues.Queue"}
"""Named, not imported: eventlet cannot patch multiprocessing's pools and queues once they are imported."""

_get_verdict = VERDICT.get


def is_worker(started: threading.Thread | BaseProcess) -> bool:
    """Whether a thread or process runs code of a library that keeps it for its own purposes.

    A method of a pool or queue does not count: the application passed it, to submit a job.
    """
    code: Any = getattr(started, "_target", None) or started.run
    if not str(getattr(code, "__module__", "")).startswith(_WORKERS):
        return False
    owner: Any = getattr(code, "__self__", None)
    return _TAKE_JOBS.isdisjoint(f"{kind.__module__}.{kind.__qualname__}" for kind in owner.__class__.__mro__)


def _is_undecided() -> bool:
    """Whether nothing is in force, so that a worker started now has no verdict anyway."""
    return _get_verdict() is None and not get_current()


def started_unset(start: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``start``, which starts a worker, with no verdict in force, not even real. Return its result.

    With a verdict, the worker would ignore every propagated marker. The other context variables stay: a fork copies
    them.
    """
    if _is_undecided():
        return start(*args, **kwargs)
    entered = enter(None)
    try:
        return start(*args, **kwargs)
    finally:
        leave(entered)
