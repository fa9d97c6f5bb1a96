"""What becomes of a message that is not admitted.

It is rejected, so that the broker hands it to the queue's dead-letter exchange. What is to come later is put back into
its queue after a while: at once, it would be back at once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import ChannelInvalidStateError

from synthetic.errors import MessageRefused

__all__ = ["PAUSE", "turn_away"]

PAUSE: Final = 1.0
"""Seconds for which a message that is to come later is kept from its queue."""

_kept: set[asyncio.Task[None]] = set()


async def turn_away(message: AbstractIncomingMessage, error: MessageRefused) -> None:
    """Reject ``message``, or have it put back later; one that is acknowledged already (``no_ack``) is dropped."""
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
