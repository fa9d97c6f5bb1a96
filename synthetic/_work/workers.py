"""Workers: threads and processes that live on and take jobs. They have no verdict, whatever work starts them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from synthetic._config.in_force import active

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

__all__ = ["is_sender", "is_worker"]


_FUTURES: Final = (
    ("concurrent.futures.process", "loky.process_executor", "joblib.externals.loky.process_executor"),
    ("_ExecutorManagerThread.run", "_process_worker"),
)
_COPIES: Final = (
    ("multiprocessing", "multiprocess", "billiard"),
    (
        "managers.BaseManager._run_server",
        *(f"pool.Pool.{loop}" for loop in ("_handle_results", "_handle_tasks", "_handle_workers")),
        "pool.worker",
        "queues.Queue._feed",
        "resource_sharer._ResourceSharer._serve",
    ),
)

_LOOPS: Final = frozenset(
    (
        *(f"{module}.{name}" for modules, names in (_FUTURES, _COPIES) for module in modules for name in names),
        "anyio._backends._asyncio.WorkerThread.run",
        "anyio._core._asyncio_selector_thread.Selector.run",
        "anyio.from_thread.start_blocking_portal.<locals>.run_blocking_portal",
        "apscheduler.schedulers.blocking.BlockingScheduler._main_loop",
        "billiard.pool.PoolThread.run",
        "billiard.pool.Worker",  # its instances are called
        "concurrent.futures.thread._worker",
        "joblib.externals.loky.backend.queues.Queue._feed",
        "logging.config.listen.<locals>.Server.run",
        "logging.handlers.QueueListener._monitor",
        "loky.backend.queues.Queue._feed",
        *(f"pebble.pool.process.{role}_loop" for role in ("message_manager", "pool_manager", "task_scheduler")),
        "pebble.pool.process.worker_process",
        "pebble.pool.thread.pool_manager_loop",
        "pebble.pool.thread.worker_thread",
        "trio._core._thread_cache.WorkerThread._work",
    )
)
"""The functions in which the workers of pools take jobs. The jobs bring their verdicts.

No whole modules: an application starts threads with other functions of theirs (``anyio.run``), which call its own.
"""

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
    "openfeature.provider._registry",
    "opentelemetry",
    *(f"sentry_sdk._{kind}batcher" for kind in ("", "log_", "metrics_", "span_")),
    "sentry_sdk.monitor",
    "sentry_sdk.profiler",
    "sentry_sdk.sessions",
    "sentry_sdk.worker",
    "statsd",
)
"""Packages whose threads send the telemetry of everybody, or fetch feature flags for them. Of Sentry and OpenFeature,
only modules that do that: a thread of the application may capture an event or evaluate a flag, with its verdict."""

_TAKE_JOBS: Final = {
    "concurrent.futures._base.Executor",
    "pebble.pool.base_pool.BasePool",
    *(f"{package}.{kind}" for package in _COPIES[0] for kind in ("pool.Pool", "queues.Queue")),
}
"""Named, not imported: eventlet cannot patch multiprocessing's pools and queues once they are imported."""

_SENDING: Final = tuple(f"{module}." for module in _SENDERS)
_SERVING: Final = (*_SENDING, *(f"{package}." for package in _TELEMETRY))


def is_worker(started: threading.Thread | BaseProcess) -> bool:
    """Whether a thread or process runs code of a library that keeps it for its own purposes."""
    code: Any = getattr(started, "_target", None) or started.run
    module = getattr(code, "__module__", "")
    if f"{module}.{getattr(code, '__qualname__', type(code).__qualname__)}" in _LOOPS:
        return True
    return _serves_everybody(f"{module}.") and not _takes_jobs(getattr(code, "__self__", None))


def _serves_everybody(module: str) -> bool:
    """Whether code of a module is a worker's: it sends telemetry, or the setting ``workers`` names the module."""
    return module.startswith((*_SERVING, *(f"{name}." for name in active().workers)))


def _takes_jobs(owner: Any) -> bool:
    """Whether a method's owner is a pool or queue. The application passes its methods, to submit a job."""
    return not _TAKE_JOBS.isdisjoint(f"{kind.__module__}.{kind.__qualname__}" for kind in owner.__class__.__mro__)


def is_sender(code: Any) -> bool:
    """Whether a function or method sends the analytics that everybody has handed over to its library."""
    return f"{getattr(code, '__module__', '')}.".startswith(_SENDING)
