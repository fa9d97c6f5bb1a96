"""Jobs of native threads and their callbacks run under the verdict of the work that submits them."""

from __future__ import annotations

from functools import wraps
from typing import Any

import gevent.pool  # type: ignore[import-untyped]
import gevent.threadpool  # type: ignore[import-untyped]

from synthetic.integration import IsOn, Patch, job_of

__all__ = ["POOLS"]

_threadpool: Any = gevent.threadpool


def _submitting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``ThreadPool.spawn``, which all other methods that take a job call."""

    @wraps(original)
    def spawn(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, job_of(func) if is_on() else func, *args, **kwargs)

    return spawn


def _applying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``apply_async`` of pools, groups and thread pools: its callback is a link, unless the pool is full."""

    @wraps(original)
    def apply_async(self: Any, func: Any, args: Any = None, kwds: Any = None, callback: Any = None) -> Any:
        if callback is not None and is_on():
            callback = job_of(callback)
        return original(self, func, args, kwds, callback)

    return apply_async


def _calling_back(original: Any, is_on: IsOn) -> Any:
    """Wrap the futures of gevent's own ``ThreadPoolExecutor``."""

    @wraps(original)
    def add_done_callback(self: Any, fn: Any) -> Any:
        return original(self, job_of(fn) if is_on() else fn)

    return add_done_callback


POOLS = (
    Patch(_threadpool.ThreadPool, "spawn", _submitting),
    Patch(gevent.pool.GroupMappingMixin, "apply_async", _applying),
    Patch(_threadpool._FutureProxy, "add_done_callback", _calling_back),
)
