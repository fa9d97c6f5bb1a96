"""Callbacks that code registers with a library, which calls them later, in a thread or task of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from synthetic._work.carry import Carried
from synthetic._work.state import current_verdict

__all__ = ["Callback", "callback_of"]

P = ParamSpec("P")
R = TypeVar("R")


class Callback(Carried[P, R]):
    """A callback under the verdict of the code that registers it. It equals its function, by which it is removed."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        theirs: object = cast("Callback[..., Any]", other).__wrapped__ if isinstance(other, Callback) else other
        return self.__wrapped__ == theirs

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __reduce__(self) -> tuple[object, ...]:
        return Callback, (self._verdict, self.__wrapped__)


def callback_of(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` under the verdict that is in force now, even if that is real or undecided.

    A library's own thread may have been started by other work, whose verdict must not count.
    """
    return Callback(current_verdict(), function)
