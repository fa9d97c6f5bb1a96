"""Pools of multiprocessing, its copies multiprocess and billiard, and pebble: a job has its submitter's verdict."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from functools import wraps
from typing import Any, cast

from synthetic.integration import (
    REAL,
    VERDICT,
    Carried,
    IsOn,
    LatePatches,
    Patch,
    Simulated,
    Unverified,
    marked_verdict,
    without_verdict,
)

__all__ = ["POOLS"]

_get_verdict = VERDICT.get
_CALLED = (
    "func",
    "function",
    "callback",
    "error_callback",
    *("accept_callback", "timeout_callback"),  # billiard's
)
"""The arguments that are called: the job, and those that are told about it."""

_END = object()


def _building(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Pool.__init__``, which starts the workers and the helper threads."""

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if is_on():
            without_verdict(original, self, *args, **kwargs)
        else:
            original(self, *args, **kwargs)

    return __init__


def _submitting(original: Any, is_on: IsOn) -> Any:
    """Wrap a method that takes a job, and callbacks if it does not wait for the job."""
    signature = inspect.signature(original)
    is_lazy = original.__name__ in _LAZY

    @wraps(original)
    def submit(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _get_verdict() is REAL or not is_on() or (verdict := marked_verdict()) is None:
            return original(self, *args, **kwargs)
        try:
            call = signature.bind(self, *args, **kwargs)
        except TypeError:
            return original(self, *args, **kwargs)  # raises its own
        for name in _CALLED:
            if call.arguments.get(name) is not None:
                call.arguments[name] = Carried(verdict, call.arguments[name])
        if is_lazy:
            call.arguments["iterable"] = _Steps(verdict, call.arguments["iterable"])
        return original(*call.args, **call.kwargs)

    return submit


class _Steps(Iterable[Any]):
    """An iterable that a thread of the pool goes through: each step runs under the submitter's verdict."""

    def __init__(self, verdict: Simulated | Unverified, iterable: Iterable[Any]) -> None:
        self._verdict = verdict
        self._iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        take: Any = Carried(self._verdict, cast("Any", next))
        steps = Carried(self._verdict, cast("Any", iter))(self._iterable)
        while (step := take(steps, _END)) is not _END:
            yield step


_LAZY = ("imap", "imap_unordered")
_METHODS = ("apply_async", "map", "map_async", "starmap", "starmap_async", *_LAZY)


def _patches_on(module: Any) -> list[Patch]:
    pool = module.Pool
    return [Patch(pool, "__init__", _building), *(Patch(pool, method, _submitting) for method in _METHODS)]


def _patches_on_pebble(pool: Any) -> list[Patch]:
    # A context manager starts it, or its first job. Everything else schedules.
    return [Patch(pool, "_start_pool", _building), Patch(pool, "schedule", _submitting)]


POOLS = (
    LatePatches("multiprocessing.pool", _patches_on),
    LatePatches("multiprocess.pool", _patches_on),
    LatePatches("billiard.pool", _patches_on),
    LatePatches("pebble.pool.thread", lambda module: _patches_on_pebble(module.ThreadPool)),
    LatePatches("pebble.pool.process", lambda module: _patches_on_pebble(module.ProcessPool)),
)
