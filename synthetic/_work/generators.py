"""Asynchronous generators that are given up half-way: each ends under the verdict of its first step.

A client that leaves is the usual reason: the generator of its response is then garbage. Python finds it some time
later, in the middle of other work or of none, and only then runs its ``finally``. The event loop does that through the
hooks of PEP 525.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

__all__ = ["watch"]

Close = Callable[[Any], Awaitable[None]]
"""Closes a generator, as a part of the work that began it."""

_get_hooks: Final = sys.get_asyncgen_hooks


class _Ending:
    """What the event loop closes in the place of a generator."""

    __slots__ = ("__weakref__", "_agen", "_close")

    def __init__(self, agen: Any, close: Close) -> None:
        self._agen: Any = weakref.ref(agen)
        self._close = close

    def keep(self, agen: Any) -> None:
        """Keep the generator until it is closed: it is being finalised, and nobody else has it any more."""
        self._agen = lambda: agen

    async def aclose(self) -> None:
        agen = self._agen()
        self._agen = _nothing
        if agen is not None:
            await self._close(agen)

    def __repr__(self) -> str:
        return repr(self._agen())


def _nothing() -> None:
    return None


class _Name(str):
    """The name of a generator, and how it ends. A generator has no other attribute that can be set."""

    __slots__ = ("ending",)
    ending: _Ending


def watch(how_to_close: Callable[[], Close | None], unset: Callable[..., object]) -> None:
    """Cover the generators that begin in this thread's event loop from now on. Without a loop, nothing happens.

    ``how_to_close`` is called when one begins; it returns None for work without a marker. ``unset`` calls a function
    with no verdict in force.
    """
    first, last = _get_hooks()
    if last is None or hasattr(first, "_synthetic") or not _is_of_asyncio(last):
        return
    begin, end = cast("Any", first), cast("Any", last)

    def begins(agen: Any) -> None:
        close = how_to_close()
        if close is not None and not isinstance(agen, _Ending):  # it is one where others have wrapped these hooks
            name = _Name(agen.__qualname__)
            name.ending = _Ending(agen, close)
            agen.__qualname__ = name
            agen = name.ending  # the loop closes it when it shuts down
        if begin is not None:
            begin(agen)

    def ends(agen: Any) -> None:
        name = getattr(agen, "__qualname__", None)
        if type(name) is _Name:
            name.ending.keep(agen)
            agen = name.ending
        unset(end, agen)

    begins._synthetic = True  # type: ignore[attr-defined]
    sys.set_asyncgen_hooks(begins, ends)


def _is_of_asyncio(hook: Any) -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(getattr(hook, "__self__", None), asyncio.AbstractEventLoop)
