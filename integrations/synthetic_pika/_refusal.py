"""Rejects refused messages, so that the broker moves them to the queue's dead-letter exchange.

A message that may be admitted later goes back into its queue after a pause. Without the pause, the broker would deliver
it again at once.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from synthetic.errors import MessageRefused

__all__ = ["PAUSE", "reject"]

PAUSE: Final = 1.0
"""Seconds after which a message that may be admitted later goes back into its queue."""


def reject(channel: Any, delivery_tag: int, error: MessageRefused) -> None:
    """Reject a refused message, or put it back into its queue after the pause."""
    if not error.is_later:
        channel.basic_reject(delivery_tag, requeue=False)
        return
    connection = channel.connection
    # A blocking connection has a public timer. The others have in common only the timer of their adapter.
    call_later = getattr(connection, "call_later", None) or connection._adapter_call_later
    call_later(PAUSE, partial(_put_back, channel, delivery_tag))


def _put_back(channel: Any, delivery_tag: int) -> None:
    if channel.is_open:  # otherwise the broker has put it back already
        channel.basic_reject(delivery_tag, requeue=True)
