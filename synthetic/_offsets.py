"""How far each partition of a log broker is done: nothing is passed before its time.

All that the broker knows of a group of consumers is one offset for each partition, from which it would go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["NOWHERE", "Offsets", "Place"]

Place: TypeAlias = tuple[str, int]
"""A topic and a partition of it."""

NOWHERE: Final = -1
"""The offset of what is no message but an event of the client: it has no place in a partition."""


class Offsets:
    """How far each partition is done.

    ``pass_to(place, offset)`` is called when all before ``offset`` that was handed out has been handled or lies
    elsewhere. A message whose handling failed is passed only when a later one of its partition was handled: to go on
    after an error is the consumer's decision, and no refused message makes it.
    """

    def __init__(self, pass_to: Callable[[Place, int], None]) -> None:
        self._pass_to = pass_to
        self._partitions: dict[Place, _Partition] = {}
        self._lock = threading.Lock()

    def begin(self, place: Place, offset: int, *, is_refused: bool = False) -> None:
        """A message is handed out; or it was refused, and is kept elsewhere."""
        if offset == NOWHERE:
            return
        with self._lock:
            partition = self._partitions.get(place)
            if partition is None:
                partition = self._partitions[place] = _Partition()
            partition.begin(offset)
            if is_refused and partition.finish(offset, is_handled=False):
                self._pass_to(place, partition.passed)

    def end(self, place: Place, offset: int, *, is_handled: bool) -> None:
        """It was handled, or its handling failed."""
        if offset == NOWHERE:
            return
        with self._lock:
            partition = self._partitions[place]
            if not is_handled:
                partition.fail(offset)
            elif partition.finish(offset, is_handled=True):
                self._pass_to(place, partition.passed)


class _Partition:
    __slots__ = ("_done_to", "_failed", "_last", "_under_way", "passed")

    def __init__(self) -> None:
        self.passed = NOWHERE
        self._last = NOWHERE
        self._done_to = NOWHERE
        self._under_way: dict[int, None] = {}  # in order, as those of one partition come in order
        self._failed: tuple[int, int] | None = None  # the first and the last

    def begin(self, offset: int) -> None:
        if offset <= self._last:
            self._rewind(offset)
        self._last = offset
        self._under_way[offset] = None

    def _rewind(self, offset: int) -> None:
        """Somebody went back, or the partition was elsewhere: what comes from here on counts anew."""
        self._under_way = {other: None for other in self._under_way if other < offset}
        self.passed = min(self.passed, offset)
        self._done_to = min(self._done_to, offset)
        if self._failed is not None and self._failed[0] >= offset:
            self._failed = None

    def finish(self, offset: int, *, is_handled: bool) -> bool:
        """A message is done. Whether more is passed than before."""
        under_way = self._under_way
        under_way.pop(offset, None)
        # A handler may end that began before somebody went back: what comes again since then is not done by that.
        self._done_to = passed = max(self._done_to, min(offset, self._last) + 1)
        if under_way:
            passed = min(passed, next(iter(under_way)))
        if self._failed is not None:
            if is_handled and self._failed[1] <= offset:
                self._failed = None
            else:
                passed = min(passed, self._failed[0])
        if passed <= self.passed:
            return False
        self.passed = passed
        return True

    def fail(self, offset: int) -> None:
        self._under_way.pop(offset, None)
        first, last = self._failed or (offset, offset)
        self._failed = min(first, offset), max(last, offset)
