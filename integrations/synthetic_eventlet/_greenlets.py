"""Green threads run under the verdict of the work that spawns them."""

from __future__ import annotations

import sys
from contextvars import Context
from functools import wraps
from typing import Any, Final

import eventlet.greenthread  # type: ignore[import-untyped]

from synthetic.integration import IsOn, Patch, carry_into, is_pool_thread, marked_verdict

__all__ = ["GREENLETS"]

_HAS_JOINABLE_THREADS: Final = sys.version_info >= (3, 13)
"""Whether a thread of a monkey-patched program is a ``GreenThread``; before 3.13 ``spawn_n`` makes it."""


def _making(original: Any, is_on: IsOn) -> Any:
    """Wrap ``GreenThread.__init__``: each one is started by the work that makes it, at once or later."""

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        verdict = marked_verdict() if is_on() else None
        if verdict is not None:
            carry_into(self, verdict)

    return __init__


def _spawning(original: Any, is_on: IsOn) -> Any:
    """Wrap ``_spawn_n``, which makes plain greenlets for ``spawn_n``."""

    @wraps(original)
    def _spawn_n(seconds: Any, func: Any, args: Any, kwargs: Any) -> Any:
        timer, greenlet = original(seconds, func, args, kwargs)
        verdict = marked_verdict() if is_on() else None
        if verdict is not None and not (args and is_pool_thread(args[0])):
            carry_into(greenlet, verdict)
        return timer, greenlet

    return _spawn_n


def _running(original: Any, is_on: IsOn) -> Any:
    """Wrap ``GreenThread.main``, the first place that knows the function of a green thread."""

    @wraps(original)
    def main(self: Any, function: Any, args: Any, kwargs: Any) -> Any:
        if is_on() and args and is_pool_thread(args[0]):
            return Context().run(original, self, function, args, kwargs)
        return original(self, function, args, kwargs)

    return main


GREENLETS = (
    Patch(eventlet.greenthread.GreenThread, "__init__", _making),
    Patch(eventlet.greenthread, "_spawn_n", _spawning),
    *([Patch(eventlet.greenthread.GreenThread, "main", _running)] if _HAS_JOINABLE_THREADS else ()),
)
