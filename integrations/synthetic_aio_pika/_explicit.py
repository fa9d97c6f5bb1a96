"""Consumers without patches: a wrapper for callbacks, and an ``async with`` block for one message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from aio_pika.abc import AbstractIncomingMessage

from synthetic import Marker
from synthetic.integration import AdmittedMessage, always_on
from synthetic_aio_pika._in import covered
from synthetic_aio_pika._refusal import admitted_or_rejected

__all__ = ["admitting", "message"]

R = TypeVar("R")


def admitting(
    callback: Callable[[AbstractIncomingMessage], Awaitable[R]],
) -> Callable[[AbstractIncomingMessage], Awaitable[R | None]]:
    """Return ``callback`` for ``Queue.consume``: it is called under the verdict on each message, real or simulated.

    It is not called for a refused message, which is rejected to the dead-letter exchange of its queue. A consumer with
    ``no_ack`` cannot reject a message: it raises MessageRefused, which aio-pika logs.
    """
    return covered(callback, always_on)


class message:
    """Admit a message that you acknowledge by hand, for an ``async with`` block.

    The block gives the marker, or None for a real message. It raises MessageRefused on entering, after it has rejected
    the message to the dead-letter exchange of its queue.
    """

    def __init__(self, message: AbstractIncomingMessage) -> None:
        self._message = message
        self._scope: AdmittedMessage | None = None

    async def __aenter__(self) -> Marker | None:
        self._scope = await admitted_or_rejected(self._message)
        return self._scope.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scope is not None:
            self._scope.__exit__(kind, error, trace)
