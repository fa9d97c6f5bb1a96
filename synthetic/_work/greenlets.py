"""The verdict in greenlets. Each greenlet has its own context, which starts empty (greenlet, ``gr_context``)."""

from __future__ import annotations

from contextvars import Context
from typing import Any

from synthetic._model.verdict import Simulated, Unverified
from synthetic._work.state import enter
from synthetic._work.workers import is_worker

__all__ = ["carry_into", "is_pool_thread"]


def carry_into(greenlet: Any, verdict: Simulated | Unverified) -> None:
    """Have a greenlet that has not started yet run under ``verdict``. Its other context variables stay unchanged."""
    present: Context | None = greenlet.gr_context
    context = Context() if present is None else present.copy()
    # A greenlet is no piece of work of its own: its verdict is spent when the work that started it ends.
    context.run(enter, verdict)
    greenlet.gr_context = context


def is_pool_thread(function: Any) -> bool:
    """Whether a greenlet that runs ``function`` is a worker thread under monkey patching."""
    return getattr(function, "__name__", None) == "_bootstrap" and is_worker(function.__self__)
