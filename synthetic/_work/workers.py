"""Workers: threads and processes that live on and take jobs. They have no verdict, whatever work starts them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from opentelemetry.context import get_current

from synthetic._config.in_force import active
from synthetic._work.state import VERDICT, enter, leave

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

__all__ = ["is_worker", "started_unset"]

P = ParamSpec("P")
R = TypeVar("R")

_POOLS: Final = (
    "anyio",
    "billiard",
    "concurrent.futures",
    "joblib.externals.loky",
    "loky",
    "multiprocess",
    "multiprocessing",
    "pebble",
)
"""Packages whose threads and processes take jobs. The jobs bring their verdicts."""

_SENDERS: Final = (
    "amplitude",
    "analytics",
    "datadog",
    "ddtrace",
    "ldclient",
    "logging",
    "opentelemetry",
    "posthog",
    "rudderstack",
    "segment",
    "sentry_sdk",
    "statsd",
)
"""Packages whose threads send what everybody has handed over: analytics, telemetry, feature flags."""

_TAKE_JOBS: Final = {
    *("concurrent.futures._base.Executor", "loky.process_executor.ProcessPoolExecutor"),
    *(f"{package}.{kind}" for package in _POOLS for kind in ("pool.Pool", "queues.Queue")),
}
"""Named, not imported: eventlet cannot patch multiprocessing's pools and queues once they are imported."""

_get_verdict = VERDICT.get


def is_worker(started: threading.Thread | BaseProcess) -> bool:
    """Whether a thread or process runs code of a library that keeps it for its own purposes.

    A method of a pool or queue does not count: the application passed it, to submit a job.
    """
    code: Any = getattr(started, "_target", None) or started.run
    module = f"{getattr(code, '__module__', '')}."
    if not any(module.startswith(f"{package}.") for package in (*_POOLS, *_SENDERS, *active().workers)):
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
