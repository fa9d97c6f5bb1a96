"""Workers: threads and processes that live on and take jobs. They have no verdict, whatever work starts them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from synthetic._config.in_force import active
from synthetic._work.state import unset

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

__all__ = ["is_sender", "is_worker", "started_unset"]

P = ParamSpec("P")
R = TypeVar("R")

_POOLS: Final = (
    "anyio",
    "apscheduler",
    "billiard",
    "concurrent.futures",
    "joblib.externals.loky",
    "loky",
    "multiprocess",
    "multiprocessing",
    "pebble.pool",  # not all of pebble: its decorators start a thread or process for each call
    "trio",
)
"""Packages whose threads and processes take jobs. The jobs bring their verdicts."""

_SENDERS: Final = (
    "amplitude.worker",
    "analytics.consumer",
    "mixpanel.flags",
    "posthog._async_utils",
    "posthog._metrics_autocapture",
    "posthog.consumer",
    "posthog.poller",
    "rudderstack.analytics.consumer",
    "segment.analytics.consumer",
)
"""Modules whose threads send the analytics that everybody has handed over. The modules in which that is done are not
here: a thread of the application may call them."""

_TELEMETRY: Final = (
    "datadog",
    "ddtrace",
    "ld_eventsource",
    "ldclient",
    "logging",
    "opentelemetry",
    "sentry_sdk",
    "statsd",
)
"""Packages whose threads send the telemetry of everybody, or fetch feature flags for them."""

_TAKE_JOBS: Final = {
    "concurrent.futures._base.Executor",
    "pebble.pool.base_pool.BasePool",
    *(f"{package}.{kind}" for package in _POOLS for kind in ("pool.Pool", "queues.Queue")),
}
"""Named, not imported: eventlet cannot patch multiprocessing's pools and queues once they are imported."""

_SENDING: Final = tuple(f"{module}." for module in _SENDERS)
_SERVING: Final = (*_SENDING, *(f"{package}." for package in (*_POOLS, *_TELEMETRY)))


def is_worker(started: threading.Thread | BaseProcess) -> bool:
    """Whether a thread or process runs code of a library that keeps it for its own purposes.

    A method of a pool or queue does not count: the application passed it, to submit a job.
    """
    code: Any = getattr(started, "_target", None) or started.run
    if not _serves_everybody(code):
        return False
    owner: Any = getattr(code, "__self__", None)
    return _TAKE_JOBS.isdisjoint(f"{kind.__module__}.{kind.__qualname__}" for kind in owner.__class__.__mro__)


def _serves_everybody(code: Any) -> bool:
    """Whether a function or method is a worker's: a library's own, or one of the modules in the setting ``workers``."""
    module = f"{getattr(code, '__module__', '')}."
    return module.startswith((*_SERVING, *(f"{name}." for name in active().workers)))


def is_sender(code: Any) -> bool:
    """Whether a function or method sends the analytics that everybody has handed over to its library."""
    return f"{getattr(code, '__module__', '')}.".startswith(_SENDING)


def started_unset(start: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``start``, which starts a worker, with no verdict in force, not even real. Return its result.

    With a verdict, the worker would ignore every propagated marker. The other context variables stay: a fork copies
    them.
    """
    return unset(start, *args, **kwargs)
