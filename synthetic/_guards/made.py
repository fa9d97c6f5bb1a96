"""The guards of this process, noted when they are made. ``synthetic-traffic doctor --app`` reads them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple

__all__ = ["MADE", "UNSET", "Made", "Terms", "Unset"]


class Unset(Enum):
    """The type of an argument that was not given, if None is a possible value."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class Terms(NamedTuple):
    """The arguments of a guard. ``returns`` is UNSET if not given. While ``is_off()``, the guard does nothing.

    Only a guard that ``guard_target`` made can be off.
    """

    effect: str
    instead: Callable[..., Any] | None = None
    returns: Any = UNSET
    is_off: Callable[[], bool] | None = None


class Made:
    """One guard: its terms, the callable that it guards, and the name of that."""

    __slots__ = ("__weakref__", "original", "target", "terms")

    def __init__(self, original: Any, target: str, terms: Terms) -> None:
        self.original: Final = original
        self.target: Final = target
        self.terms: Final = terms
        MADE.add(self)


MADE: Final[weakref.WeakSet[Made]] = weakref.WeakSet()
"""Every guard that exists. A guard goes with the function that it is on."""
