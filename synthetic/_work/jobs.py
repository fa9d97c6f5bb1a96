"""A job: a call in another thread, greenlet or process, under the verdict of the code that submits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from synthetic._model.verdict import REAL, Real, Simulated, Unverified
from synthetic._work.carry import Carried
from synthetic._work.state import VERDICT, current_verdict

__all__ = ["job_of", "marked_verdict"]

P = ParamSpec("P")
R = TypeVar("R")

_get_verdict = VERDICT.get


def job_of(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` for a worker: under the current verdict, or unchanged if the current work has no marker."""
    verdict = marked_verdict()
    return function if verdict is None else Carried(verdict, function)


def marked_verdict() -> Simulated | Unverified | None:
    """Return the verdict on the current work if it has a marker, verified or not; None for all other work.

    Only such a verdict is passed on. A worker that real work starts gets no verdict: with one, the worker would ignore
    every propagated marker.
    """
    verdict = _get_verdict()
    if verdict is REAL:
        return None
    verdict = current_verdict()
    return None if verdict is None or isinstance(verdict, Real) else verdict
