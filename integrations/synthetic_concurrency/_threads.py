"""Threads and timers: ``run`` has the verdict of the work that calls ``start``."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import Context
from functools import partial, wraps
from types import MethodType
from typing import Any, Final

from synthetic.integration import (
    REAL,
    VERDICT,
    Carried,
    IsOn,
    Patch,
    Simulated,
    Unverified,
    enter,
    is_worker,
    leave,
    marked_verdict,
    without_verdict,
)

__all__ = ["INHERITS", "THREADS"]

INHERITS = bool(getattr(sys.flags, "thread_inherit_context", False))
"""Whether a thread starts with a copy of its starter's context (Python 3.14, free-threaded or with the flag)."""

_TAKES_CONTEXT: Final = sys.version_info >= (3, 14)

_get_verdict = VERDICT.get


class _Running:
    """``Thread.run`` under a verdict, for one call; ``present`` is another library's wrapper on the same thread.

    A thread is no piece of work of its own: its verdict is spent when the work that started it ends.
    """

    __slots__ = ("_present", "_verdict")

    def __init__(self, verdict: Simulated | Unverified, present: Any) -> None:
        self._verdict = verdict
        self._present = present

    def __call__(self, thread: threading.Thread) -> None:
        self.take_off(thread)
        try:
            self._under_verdict(thread.run)
        except BaseException:
            # The thread calls threading.excepthook after this, since Python 3.14 even outside of the thread's context.
            hook = vars(thread).get("_invoke_excepthook")
            if hook is not None:
                vars(thread)["_invoke_excepthook"] = partial(self._under_verdict, hook)
            raise

    def _under_verdict(self, call: Callable[..., object], *args: object) -> None:
        entered = enter(self._verdict)
        try:
            call(*args)
        finally:
            leave(entered)

    def put_on(self, thread: threading.Thread) -> None:
        # A method, not a function: Sentry's wrapper, which is set on the thread too, calls the present one as a method.
        vars(thread)["run"] = MethodType(self, thread)

    def take_off(self, thread: threading.Thread) -> None:
        if self._present is None:
            vars(thread).pop("run", None)
        else:
            vars(thread)["run"] = self._present


def _starting(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def start(thread: threading.Thread) -> Any:
        verdict = _get_verdict()
        if (verdict is REAL and not INHERITS) or not is_on():
            return original(thread)
        if _TAKES_CONTEXT and getattr(thread, "_context", None) is not None:
            return original(thread)  # its creator chose a context for it
        marked = marked_verdict()
        if (marked is not None or INHERITS) and is_worker(thread):
            return _start_worker(original, thread)
        if marked is None:
            return without_verdict(original, thread) if INHERITS else original(thread)
        return _start_marked(original, thread, marked)

    return start


def _start_worker(original: Callable[..., None], thread: threading.Thread) -> None:
    target = vars(thread).get("_target")
    if target is not None:
        # Not around run: OpenTelemetry's instrumentation wraps it, and attaches the context of the starter inside.
        vars(thread)["_target"] = Carried(None, target)
    Context().run(original, thread)


def _start_marked(original: Callable[..., None], thread: threading.Thread, verdict: Simulated | Unverified) -> None:
    present = vars(thread).get("run")
    if isinstance(getattr(present, "__func__", None), _Running):
        return original(thread)  # started a second time, which is an error, or patched twice
    running = _Running(verdict, present)
    running.put_on(thread)
    try:
        original(thread)
    except BaseException:
        running.take_off(thread)
        raise


# The timer first: OpenTelemetry's instrumentation gives it its own ``start``, which would bypass the one of threads.
THREADS = (Patch(threading.Timer, "start", _starting), Patch(threading.Thread, "start", _starting))
