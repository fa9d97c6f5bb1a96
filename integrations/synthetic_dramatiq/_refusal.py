"""What becomes of a message that is refused: no retries and no callbacks, but a dead letter.

Both would be part of work of which nobody knows what it is. Whoever waits for the result gets a ``ResultFailure``.
"""

from __future__ import annotations

import logging
from typing import Any

from dramatiq.middleware import MiddlewareError, SkipMessage

from synthetic._reason import Reason
from synthetic._verdict import enter, leave
from synthetic.errors import MessageRefused, UnverifiedMarker

__all__ = ["LATER_AFTER", "MessageSkipped", "UnverifiedMessage", "refusal_of", "refuse"]

_log = logging.getLogger("synthetic")

LATER_AFTER = 5.0
"""Seconds until a message that can't be taken now is looked at again."""


class MessageSkipped(MessageRefused, SkipMessage):
    """A message was not admitted, and its actor has not run. Also dramatiq's word for a message to be skipped."""


class UnverifiedMessage(UnverifiedMarker, MiddlewareError):
    """A message of work whose marker does not verify was not enqueued. Of middleware, dramatiq wants such an error."""


def refusal_of(error: Exception) -> MessageRefused:
    """Return the refusal of a message whose verdict could not be had: it comes again later, and nothing else is sent.

    A failure would be handled as one of the actor: its callbacks would be sent as real work.
    """
    if isinstance(error, MessageRefused):
        return error
    _log.error("a message is to come again later, for what looks at its marker failed", exc_info=error)
    return MessageRefused(Reason.NOT_READY)


def refuse(broker: Any, message: Any, error: MessageRefused) -> MessageSkipped:
    """Have a message rejected or, where it may be admitted later, enqueued again. Returns what to skip it with."""
    if not (error.is_later and _is_enqueued_again(broker, message)):
        message.fail()
    return MessageSkipped(error.reason)


def _is_enqueued_again(broker: Any, message: Any) -> bool:
    entered = enter(None)  # as it came
    try:
        broker.enqueue(message, delay=round(LATER_AFTER * 1000))
    except Exception:
        _log.exception("message %s can't be taken now, and could not be enqueued again", message.message_id)
        return False
    finally:
        leave(entered)
    message.options["store_results"] = False  # there is none yet
    return True
