"""Rejects refused messages, so that the broker moves them to the queue's dead-letter exchange.

A message that may be admitted later goes back into its queue after a pause. Without the pause, the broker would deliver
it again at once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import ChannelInvalidStateError

from synthetic import admitted
from synthetic.errors import MessageRefused
from synthetic.integration import AdmittedMessage

__all__ = ["PAUSE", "admitted_or_rejected", "reject"]

PAUSE: Final = 1.0
"""Seconds after which a message that may be admitted later goes back into its queue."""

_kept: set[asyncio.Task[None]] = set()


async def admitted_or_rejected(message: AbstractIncomingMessage) -> AdmittedMessage:
    """Admit ``message`` for a ``with`` block. Raises MessageRefused, after it has rejected the message."""
    try:
        return admitted(message.headers)
    except MessageRefused as error:
        await reject(message, error)
        raise


async def reject(message: AbstractIncomingMessage, error: MessageRefused) -> None:
    """Reject a refused message, or put it back after the pause. One that is acknowledged (``no_ack``) is dropped."""
    if message.processed:
        return
    if error.is_later:
        putting_back = asyncio.create_task(_put_back(message))
        _kept.add(putting_back)
        putting_back.add_done_callback(_kept.discard)
    else:
        await message.reject(requeue=False)


async def _put_back(message: AbstractIncomingMessage) -> None:
    await asyncio.sleep(PAUSE)
    with suppress(ChannelInvalidStateError):  # the broker has put it back already
        await message.reject(requeue=True)
