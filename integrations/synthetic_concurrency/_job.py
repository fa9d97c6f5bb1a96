"""What runs under the verdict of another thread or process, and what must run under none."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from opentelemetry.context import get_current

from synthetic._carry import Carried
from synthetic._verdict import VERDICT, Real, Simulated, Unverified, current_verdict, enter, leave

__all__ = ["Job", "is_undecided", "job_of", "marked_verdict", "started_unset"]

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


def marked_verdict() -> Simulated | Unverified | None:
    """Return the verdict on the work at hand where that has a marker, verified or not; None for all other work."""
    verdict = current_verdict()
    return None if verdict is None or isinstance(verdict, Real) else verdict


def job_of(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` as a worker is to call it: under the verdict at hand, or as it is for work without marker."""
    verdict = marked_verdict()
    return function if verdict is None else Job(verdict, function)


def is_undecided() -> bool:
    """Whether nothing at all is in force, so that what is started now is unset by itself."""
    return _get_verdict() is None and not get_current()


def started_unset(start: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what starts a worker that is to hear every carrier: no verdict is in force meanwhile, not even real.

    Every other context variable stays, for a fork copies them.
    """
    if is_undecided():
        return start(*args, **kwargs)
    entered = enter(None)
    try:
        return start(*args, **kwargs)
    finally:
        leave(entered)
