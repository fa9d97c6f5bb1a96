"""``carry``: a verdict that goes along with one call, to wherever and whenever that is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast

from synthetic._kinds import kind_of
from synthetic._scope import Scope, done
from synthetic._verdict import Verdict, current_verdict, enter, leave

__all__ = ["Carried", "carry"]

P = ParamSpec("P")
R = TypeVar("R")


class Carried(Generic[P, R]):
    """A callable that runs under a verdict of its own; with None, under none. It pickles as its parts do."""

    __slots__ = ("__weakref__", "__wrapped__", "_verdict")

    def __init__(self, verdict: Verdict | None, function: Callable[P, R]) -> None:
        self._verdict = verdict
        self.__wrapped__ = function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make the call. What was in force before is in force after it."""
        entered = enter(self._verdict, is_work=True)
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            leave(entered)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":
            raise AttributeError(name)  # not set yet: a copy in the making
        return getattr(self.__wrapped__, name)  # __name__ and __doc__, for whoever reports on it

    def __reduce__(self) -> tuple[object, ...]:
        return Carried, (self._verdict, self.__wrapped__)

    def __repr__(self) -> str:
        return f"<{self.__wrapped__!r} under {self._verdict!r}>"


class _CarriedByHand(Carried[P, R]):
    """The same for ``carry``: a call whose work is still to come would leave its verdict behind."""

    __slots__ = ()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make the call. TypeError where it returns a coroutine or a generator."""
        return done(super().__call__(*args, **kwargs), self.__wrapped__)

    def __reduce__(self) -> tuple[object, ...]:
        return _CarriedByHand, (self._verdict, self.__wrapped__)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` for a call elsewhere or later, under the verdict that is in force now.

    For a job that goes into a queue of your own, to a thread or task that runs already. Real work stays real there,
    and where nothing is decided now, nothing will be. A function or coroutine function; TypeError for a generator
    function, and at the call for a function that returns a coroutine or a generator: carry the coroutine function. With
    a plain function, what is returned pickles where the function does.
    """
    verdict = current_verdict()
    if kind_of(function) == "function":
        return _CarriedByHand(verdict, function)
    return Scope(None, lambda: cast("Any", verdict))(function)
