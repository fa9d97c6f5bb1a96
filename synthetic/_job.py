"""A job: what runs in another thread, greenlet or process than whoever submits it, under that one's verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from synthetic._carry import Carried
from synthetic._verdict import REAL, VERDICT, Real, Simulated, Unverified, current_verdict, enter, leave

__all__ = ["Job", "job_of", "marked_verdict"]

P = ParamSpec("P")
R = TypeVar("R")

_get_verdict = VERDICT.get


class Job(Carried[P, R]):
    """A callable under a verdict of its own, on a worker of this process; pickled for another, it is a ``Carried``.

    Unlike that it is no piece of work by itself: a job that goes on after its request has outlived it, and is reported.
    """

    __slots__ = ()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make the call. What was in force before is in force after it."""
        entered = enter(self._verdict)
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            leave(entered)


def job_of(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` as a worker is to call it: under the verdict at hand, or as it is for work without marker."""
    verdict = marked_verdict()
    return function if verdict is None else Job(verdict, function)


def marked_verdict() -> Simulated | Unverified | None:
    """Return the verdict on the work at hand where that has a marker, verified or not; None for all other work.

    Only that goes along. Real work leaves what it starts unset: what lives on, and is given jobs, would otherwise be
    deaf to what they bring.
    """
    verdict = _get_verdict()
    if verdict is REAL:
        return None
    verdict = verdict or current_verdict()
    return None if verdict is None or isinstance(verdict, Real) else verdict
