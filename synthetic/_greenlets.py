"""The verdict goes into greenlets: each has a context of its own, which starts empty (greenlet, ``gr_context``)."""

from __future__ import annotations

from contextvars import Context
from typing import Any

from synthetic._verdict import Simulated, Unverified, enter
from synthetic._workers import is_worker

__all__ = ["carry_into", "is_pool_thread"]


def carry_into(greenlet: Any, verdict: Simulated | Unverified) -> None:
    """Have a greenlet that has not started yet run under ``verdict``. Other variables that it has stay as they are."""
    present: Context | None = greenlet.gr_context
    context = Context() if present is None else present.copy()
    # Not counted as work: a greenlet that outlives what it was started in is reported.
    context.run(enter, verdict)
    greenlet.gr_context = context


def is_pool_thread(function: Any) -> bool:
    """Whether a greenlet that runs ``function`` stands for a worker thread, as it does under monkey patching."""
    return getattr(function, "__name__", None) == "_bootstrap" and is_worker(function.__self__)
