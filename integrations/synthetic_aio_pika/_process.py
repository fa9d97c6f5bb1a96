"""``async with message.process():`` as the scope of a message: its body runs under the verdict on it, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, Final

from aio_pika.abc import AbstractIncomingMessage

from synthetic._arrival import Admitted, admitted
from synthetic._marker import Marker
from synthetic.errors import MessageRefused
from synthetic_aio_pika._refused import turn_away

__all__ = ["beginning", "ending", "message"]

_SCOPE: Final = "_synthetic_scope"


class message:
    """Admit a message that is acknowledged by hand, for the length of an ``async with`` block.

    It gives the marker, or None for a real message. On entering it raises MessageRefused, after the message was
    rejected for the dead-letter exchange of its queue.
    """

    def __init__(self, message: AbstractIncomingMessage) -> None:
        self._message = message
        self._scope: Admitted | None = None

    async def __aenter__(self) -> Marker | None:
        self._scope = await _admitted(self._message)
        return self._scope.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scope is not None:
            self._scope.__exit__(kind, error, trace)


def beginning(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``ProcessContext.__aenter__``."""

    @wraps(original)
    async def __aenter__(process: Any) -> Any:
        if not is_on():
            return await original(process)
        scope = await _admitted(process.message)
        given = await original(process)
        scope.__enter__()
        setattr(process, _SCOPE, scope)
        return given

    return __aenter__


def ending(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``ProcessContext.__aexit__``: whatever was entered is left, also after ``uninstrument``."""

    @wraps(original)
    async def __aexit__(process: Any, kind: Any, error: Any, trace: Any) -> Any:
        scope: Admitted | None = getattr(process, _SCOPE, None)
        setattr(process, _SCOPE, None)
        try:
            return await original(process, kind, error, trace)
        finally:
            if scope is not None:
                scope.__exit__(kind, error, trace)

    return __aexit__


async def _admitted(arrived: AbstractIncomingMessage) -> Admitted:
    try:
        return admitted(arrived.headers)
    except MessageRefused as error:
        await turn_away(arrived, error)
        raise
