"""A job: a call in another thread, greenlet or process, under the verdict of the code that submits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from synthetic._model.verdict import REAL, Real, Simulated, Unverified
from synthetic._work.carry import Carried
from synthetic._work.state import VERDICT, current_verdict, enter, leave

__all__ = ["Job", "job_of", "marked_verdict"]

P = ParamSpec("P")
R = TypeVar("R")

_get_verdict = VERDICT.get


class Job(Carried[P, R]):
    """A callable with its own verdict, for a worker of this process. Pickled for another process, it is a ``Carried``.

    Jobs do not count as work of their own: a job that goes on after its request has ended is reported.
    """

    __slots__ = ()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, and restore the verdict from before."""
        entered = enter(self._verdict)
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            leave(entered)


def job_of(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` for a worker: under the current verdict, or unchanged if the current work has no marker."""
    verdict = marked_verdict()
    return function if verdict is None else Job(verdict, function)


def marked_verdict() -> Simulated | Unverified | None:
    """Return the verdict on the current work if it has a marker, verified or not; None for all other work.

    Only such a verdict is passed on. A worker that real work starts gets no verdict: with one, the worker would ignore
    every propagated marker.
    """
    verdict = _get_verdict()
    if verdict is REAL:
        return None
    verdict = verdict or current_verdict()
    return None if verdict is None or isinstance(verdict, Real) else verdict
