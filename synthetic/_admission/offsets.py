"""How far each partition of a log broker is done, so that no message is passed too early.

For each partition, the broker keeps one offset per group of consumers, and delivers from there after a restart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["NOWHERE", "Offsets", "Place", "Span"]

Place: TypeAlias = tuple[str, int]
"""A topic and one of its partitions."""

Span: TypeAlias = tuple[Place, int, int]
"""The first and the last offset of messages of one partition."""

NOWHERE: Final = -1
"""The offset of a client event, which is not a message and has no place in a partition."""


class Offsets:
    """Tracks how far each partition is done.

    ``pass_to(place, offset)`` is called once every message before ``offset`` was handled or is kept elsewhere. A
    message whose handling failed is passed only after a later message of its partition was handled: the consumer
    decides whether to go on after an error, and a refused message does not decide it.
    """

    def __init__(self, pass_to: Callable[[Place, int], None]) -> None:
        self._pass_to = pass_to
        self._partitions: dict[Place, _Partition] = {}
        self._lock = threading.Lock()

    def begin(self, place: Place, offset: int, *, is_refused: bool = False) -> None:
        """Note that a message is handed out, or that it was refused and is kept elsewhere."""
        if offset == NOWHERE:
            return
        self.begin_span((place, offset, offset))
        if is_refused:
            with self._lock:
                partition = self._partitions[place]
                if partition.finish(offset, offset, is_handled=False):
                    self._pass_to(place, partition.passed)

    def end(self, place: Place, offset: int, *, is_handled: bool) -> None:
        """Note that a message was handled, or that its handling failed."""
        if offset != NOWHERE:
            self.end_span((place, offset, offset), is_handled=is_handled)

    def begin_span(self, span: Span) -> None:
        """Note that messages are handed out which are all handled together."""
        place, first, last = span
        with self._lock:
            partition = self._partitions.get(place)
            if partition is None:
                partition = self._partitions[place] = _Partition()
            if first <= partition.last:
                partition.rewind(first)
            partition.last = last
            partition.under_way[first] = None

    def end_span(self, span: Span, *, is_handled: bool) -> None:
        """Note that these messages were handled, or that their handling failed."""
        place, first, last = span
        with self._lock:
            partition = self._partitions[place]
            if not is_handled:
                partition.fail(first, last)
            elif partition.finish(first, last, is_handled=True):
                self._pass_to(place, partition.passed)


class _Partition:
    __slots__ = ("_done_to", "_failed", "last", "passed", "under_way")

    def __init__(self) -> None:
        self.passed = NOWHERE
        self.last = NOWHERE
        self._done_to = NOWHERE
        self.under_way: dict[int, None] = {}  # the first of each span, in order, as a partition delivers
        self._failed: tuple[int, int] | None = None  # the first and the last

    def rewind(self, offset: int) -> None:
        """Start again at ``offset``: the consumer went back, or another one had the partition in between."""
        self.under_way = {other: None for other in self.under_way if other < offset}
        self.passed = min(self.passed, offset)
        self._done_to = min(self._done_to, offset)
        if self._failed is not None and self._failed[0] >= offset:
            self._failed = None

    def finish(self, first: int, last: int, *, is_handled: bool) -> bool:
        """Note that messages are done; return whether more is passed than before."""
        under_way = self.under_way
        under_way.pop(first, None)
        # A handler that began before a rewind may end after it. The messages delivered again are not done by that.
        passed = (last if last < self.last else self.last) + 1
        if passed < self._done_to:
            passed = self._done_to
        self._done_to = passed
        if under_way:
            passed = min(passed, next(iter(under_way)))
        if self._failed is not None:
            if is_handled and self._failed[1] <= last:
                self._failed = None
            else:
                passed = min(passed, self._failed[0])
        if passed <= self.passed:
            return False
        self.passed = passed
        return True

    def fail(self, first: int, last: int) -> None:
        self.under_way.pop(first, None)
        earliest, latest = self._failed or (first, last)
        self._failed = min(earliest, first), max(latest, last)
