"""Asynchronous generators that are given up half-way: each ends under the verdict of its first step.

A client that leaves is the usual reason: the generator of its response is then garbage. Python finds it some time
later, in the middle of other work or of none, and only then runs its ``finally``. The event loop does that through the
hooks of PEP 525.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, cast

__all__ = ["watch"]

_Hook = Callable[[Any], None]
Close = Callable[[Any], Awaitable[None]]
"""Closes a generator, as a part of the work that began it."""

_get_hooks: Final = sys.get_asyncgen_hooks


class _Ending:
    """What the event loop closes in the place of a generator."""

    __slots__ = ("__weakref__", "_agen", "_close", "_name")

    def __init__(self, agen: Any, close: Close, name: str) -> None:
        self._agen: Any = weakref.ref(agen)
        self._close = close
        self._name = name

    def keep(self, agen: Any) -> None:
        """Keep the generator until it is closed: it is being finalised, and nobody else has it any more."""
        self._agen = lambda: agen

    async def aclose(self) -> None:
        agen = self._agen()
        self._agen = _nothing
        if agen is not None:
            await self._close(agen)

    def __repr__(self) -> str:
        return f"<async_generator object {self._name}>"


def _nothing() -> None:
    return None


class _Name(str):
    """The name of a generator, and how it ends. A generator has no other attribute that can be set."""

    __slots__ = ("ending",)
    ending: _Ending


def _tagged(agen: Any, close: Close) -> Any:
    """Return what ends in the place of ``agen``, which keeps it."""
    name = _Name(getattr(agen, "__qualname__", type(agen).__qualname__))
    name.ending = _Ending(agen, close, name)
    try:
        agen.__qualname__ = name
    except (AttributeError, TypeError):  # a generator of some library, and not of Python
        with suppress(AttributeError, TypeError):
            agen._synthetic_name = name
    return name.ending


def _ending_of(agen: Any) -> _Ending | None:
    for attribute in ("__qualname__", "_synthetic_name"):
        name = getattr(agen, attribute, None)
        if type(name) is _Name:
            return name.ending
    return None


def _covered(
    first: _Hook, last: _Hook, how_to_close: Callable[[], Close | None], without_verdict: Callable[..., object]
) -> tuple[_Hook, _Hook]:
    """Return the hooks of an event loop, so that each generator ends as what it began as.

    ``how_to_close`` is called when a generator begins; it returns None for work without a marker. ``without_verdict``
    calls a function with no verdict in force.
    """

    def begins(agen: Any) -> None:
        close = how_to_close()
        if close is not None and not isinstance(agen, _Ending):  # it is one where others have wrapped these hooks
            agen = _tagged(agen, close)  # the loop closes it when it shuts down
        first(agen)

    def ends(agen: Any) -> None:
        ending = _ending_of(agen)
        if ending is not None:
            ending.keep(agen)
            agen = ending
        without_verdict(last, agen)

    begins._synthetic = True  # type: ignore[attr-defined]
    return begins, ends


def watch(how_to_close: Callable[[], Close | None], without_verdict: Callable[..., object]) -> None:
    """Cover the generators that begin in this thread's event loop from now on. Without a loop, nothing happens."""
    first, last = _get_hooks()
    if last is None or first is None or hasattr(first, "_synthetic") or not _is_of_asyncio(last):
        return
    sys.set_asyncgen_hooks(*_covered(cast("_Hook", first), cast("_Hook", last), how_to_close, without_verdict))


def _is_of_asyncio(hook: Any) -> bool:
    """Whether a hook is an asyncio loop's: its own, or one that somebody has put around it."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    owner = getattr(hook, "__self__", None)
    return isinstance(owner, asyncio.AbstractEventLoop) or asyncio._get_running_loop() is not None
