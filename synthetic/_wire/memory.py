"""A bounded mapping that threads share, and that a fork may copy."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Memory"]

K = TypeVar("K")
V = TypeVar("V")

_remembering = threading.Lock()


def _renew_lock() -> None:
    """Replace the lock in a forked child: a thread that the child does not have may hold it."""
    global _remembering
    _remembering = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Memory(Generic[K, V]):
    """A bounded mapping that forgets its oldest entry first. Reading takes no lock."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._items: OrderedDict[K, V] = OrderedDict()
        self.get: Callable[[K], V | None] = self._items.get

    def remember(self, key: K, value: V) -> None:
        """Remember ``value``, and forget the oldest entry if the mapping is full."""
        with _remembering:
            self._items[key] = value
            while len(self._items) > self.limit:
                self._items.popitem(last=False)

    def forget(self, key: K) -> None:
        """Forget ``key``, if it is known."""
        with _remembering:
            self._items.pop(key, None)

    def __len__(self) -> int:
        return len(self._items)
