"""The verdict goes into greenlets: each has a context of its own, which starts empty (greenlet, ``gr_context``).

Only what is simulated, or cannot be told, goes along. Real work leaves a greenlet unset: one that lives on, and is
given jobs, would otherwise be deaf to what they bring.
"""

from __future__ import annotations

from contextvars import Context
from typing import Any

from synthetic._verdict import REAL, VERDICT, Real, Simulated, Unverified, current_verdict, enter

__all__ = ["carry_into", "thread_of", "to_carry"]

_get_verdict = VERDICT.get


def to_carry() -> Simulated | Unverified | None:
    """Return the verdict that goes along from here; None for work that is real, or about which nothing is decided."""
    verdict = _get_verdict()
    if verdict is REAL:
        return None
    verdict = verdict or current_verdict()
    return None if verdict is None or isinstance(verdict, Real) else verdict


def carry_into(greenlet: Any, verdict: Simulated | Unverified) -> None:
    """Have a greenlet that has not started yet run under ``verdict``. Other variables that it has stay as they are."""
    present: Context | None = greenlet.gr_context
    context = Context() if present is None else present.copy()
    # Not counted as work: a greenlet that outlives what it was started in is reported.
    context.run(enter, verdict)
    greenlet.gr_context = context


def thread_of(function: Any) -> Any:
    """Return the thread that a greenlet which runs ``function`` stands for under monkey patching; None if for none."""
    return function.__self__ if getattr(function, "__name__", None) == "_bootstrap" else None
