"""Whose work the items of a queue are that was declared with ``carry_queue``."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from synthetic._model.verdict import OUTLIVED, Simulated, Unverified
from synthetic._work.state import marked_verdict

__all__ = ["Tags", "is_a"]


def is_a(name: str, queue: Any) -> bool:
    """Whether a queue is a ``queue.<name>`` or an ``asyncio.<name>``. Neither module is imported for that."""
    kinds = [getattr(sys.modules[module], name) for module in ("queue", "asyncio") if module in sys.modules]
    return isinstance(queue, tuple(kinds))


class Tags:
    """Whose work the items of one queue are. Real and undecided work is None.

    Code may put items into the queue, or take them out, past its methods. An item that is found without a tag is then
    refused if it may be simulated work's.
    """

    def __init__(self, queue: Any) -> None:
        self._is_stack = is_a("LifoQueue", queue)
        self._queue = queue
        self._size: Callable[[], int] = getattr(queue, "_qsize", None) or queue.qsize
        self._by_item: dict[int, deque[tuple[object, Simulated | Unverified | None]]] = {}
        self._count = self._marked = 0
        self._untagged: Unverified | None = None
        """The verdict on items without a tag, apart from what the tags say."""
        self._taken = threading.local()
        for item in _content(queue):
            self._add(item, None)

    def put(self, item: object, put: Callable[[Any], None]) -> None:
        """Put ``item`` into the queue, and note whose work it is.

        The tag holds the item, so that no other has its identity meanwhile.
        """
        size = self._in_step()
        if not size:
            self._untagged = None
        verdict = marked_verdict()
        self._add(item, verdict)
        try:
            put(item)
        except BaseException:
            self._withdraw(item)
            raise
        if self._size() <= size:  # the item was dropped, or another one
            self._withdraw(item)

    def get(self, get: Callable[[], Any]) -> Any:
        """Take an item out of the queue. ``told`` returns its tag."""
        size = self._in_step()
        item = get()
        self._taken.tag = self._remove(item, newest=self._is_stack)[1]
        self._taken.was_full = 0 < self._queue.maxsize <= size
        return item

    def told(self, item: Any, *, at_once: bool) -> tuple[Any, Simulated | Unverified | None]:
        """Return ``item``, which was taken last in this thread, and its tag: None for real and undecided work.

        Code that takes an item out of a full queue ``at_once`` may be a producer that makes room for its own.
        """
        if not hasattr(self._taken, "tag"):
            return item, self._unknown()
        tag = vars(self._taken).pop("tag")
        return item, OUTLIVED if tag is not None and at_once and self._taken.was_full else tag

    def _in_step(self) -> int:
        """Forget all tags if somebody has changed the queue past them. Return its size."""
        size = self._size()
        if size != self._count:
            self._forget()
        return size

    def _unknown(self) -> Unverified | None:
        """Return the verdict on an item without a tag."""
        return OUTLIVED if self._marked else self._untagged

    def _forget(self) -> None:
        self._untagged = self._unknown()
        self._by_item.clear()
        self._count = self._marked = 0

    def _add(self, item: object, verdict: Simulated | Unverified | None) -> None:
        self._by_item.setdefault(id(item), deque()).append((item, verdict))
        self._count += 1
        self._marked += verdict is not None

    def _remove(self, item: object, *, newest: bool) -> tuple[object, Simulated | Unverified | None]:
        tags = self._by_item.get(id(item))
        if tags is None:
            self._forget()
            return item, self._untagged
        removed = tags.pop() if newest else tags.popleft()
        self._count -= 1
        self._marked -= removed[1] is not None
        if not tags:
            del self._by_item[id(item)]
        return removed

    def _withdraw(self, item: object) -> None:
        """Note that ``item`` was not put, or that another item has made room for it: nothing tells."""
        _, verdict = self._remove(item, newest=True)
        if verdict is not None:
            self._untagged = OUTLIVED
        others = self._by_item.get(id(item), ())
        if any(other is not verdict for _, other in others):
            self._marked += sum(other is None for _, other in others)
            self._by_item[id(item)] = deque((item, OUTLIVED) for _ in others)


def _content(queue: Any) -> list[object]:
    """Return what was put into a queue before it was declared: undecided work."""
    for name in ("queue", "_queue", "_heap_queue"):
        if hasattr(queue, name):
            return list(getattr(queue, name))
    return []
