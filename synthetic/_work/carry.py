"""``carry``: a verdict that travels with one call, wherever and whenever the call is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast

from synthetic._model.callables import kind_of
from synthetic._model.verdict import Simulated, Verdict
from synthetic._work.scopes import Scope, done
from synthetic._work.state import current_verdict, enter, leave

__all__ = ["Carried", "carry", "for_work"]

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V", bound="Verdict | None")


def for_work(verdict: V) -> V:
    """Return the verdict for another piece of work: a new one if it is simulated, else the same."""
    return cast("V", verdict.for_work()) if isinstance(verdict, Simulated) else verdict


class Carried(Generic[P, R]):
    """A callable that runs under a given verdict, or under none if that is None. It pickles if the function does.

    Each call is a piece of work of its own. It may go on after the work that made the callable has ended.
    """

    __slots__ = ("__weakref__", "__wrapped__", "_verdict")

    def __init__(self, verdict: Verdict | None, function: Callable[P, R]) -> None:
        self._verdict = verdict
        self.__wrapped__: Callable[P, R] = function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, and restore the verdict from before."""
        entered = enter(for_work(self._verdict), is_work=True)
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            leave(entered)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":
            raise AttributeError(name)  # not set yet: a copy in the making
        return getattr(self.__wrapped__, name)  # __name__ and __doc__, for reports

    def __reduce__(self) -> tuple[object, ...]:
        return Carried, (self._verdict, self.__wrapped__)

    def __repr__(self) -> str:
        return f"<{self.__wrapped__!r} under {self._verdict!r}>"


class CarriedByHand(Carried[P, R]):
    """The result of ``carry``. It rejects a function that returns work to do later, which would lose the verdict."""

    __slots__ = ()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function. Raises TypeError if it returns a coroutine or a generator."""
        return done(super().__call__(*args, **kwargs), self.__wrapped__)

    def __reduce__(self) -> tuple[object, ...]:
        return CarriedByHand, (self._verdict, self.__wrapped__)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` for a call elsewhere or later, under the verdict that is in force now.

    Use it for a job that you pass to a thread or task that already runs, for example through your own queue. Real work
    stays real there. If nothing is decided now, nothing is decided there.

    ``function`` is a function or a coroutine function. For a plain function, the result pickles if the function does.
    Raises TypeError for a generator function, and for what cannot be called. The call raises TypeError if a plain
    function returns a coroutine or a generator: carry the coroutine function itself.
    """
    if not callable(cast("object", function)):
        raise TypeError(f"{function!r} cannot be called. Carry the function itself, and call what carry returns.")
    verdict = current_verdict()
    if kind_of(function) == "function":
        return CarriedByHand(verdict, function)
    return Scope(None, lambda: for_work(verdict))(function)
