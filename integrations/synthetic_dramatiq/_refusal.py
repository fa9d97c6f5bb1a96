"""Makes a refused message a dead letter, without retries and callbacks.

Both would belong to work that is known neither as real nor as simulated. A caller that waits for the result gets a
``ResultFailure``.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from dramatiq.middleware import MiddlewareError, SkipMessage

from synthetic.errors import MessageRefused, UndeclaredWork, UnverifiedMarker
from synthetic.integration import Reason, enter, leave

__all__ = [
    "LATER_AFTER",
    "MessageSkipped",
    "UndeclaredMessage",
    "UnverifiedMessage",
    "note_refused",
    "refusal_of",
    "refuse",
    "skip_if_refused",
]

_log = logging.getLogger("synthetic")

LATER_AFTER = 5.0
"""Seconds after which a worker looks again at a message that may be admitted later."""

_REFUSED: Final = "_synthetic_refused"
"""The attribute of a refused message with the error."""


class MessageSkipped(MessageRefused, SkipMessage):
    """A message was not admitted, and its actor has not run. It is also dramatiq's error for a message to skip."""


class UnverifiedMessage(UnverifiedMarker, MiddlewareError):
    """Work with a marker that does not verify cannot enqueue a message. From middleware, dramatiq takes this error."""


class UndeclaredMessage(UndeclaredWork, MiddlewareError):
    """Nobody has declared whether a message is simulated, so it is not enqueued. Dramatiq takes it from middleware."""


def refusal_of(error: Exception) -> MessageRefused:
    """Return the refusal of a message whose admission ended with ``error``. After a failure it comes again later.

    Dramatiq would handle a failure as one of the actor, and its callbacks would be sent as real work.
    """
    if isinstance(error, MessageRefused):
        return error
    _log.error("a message is enqueued again: marker handling failed", exc_info=error)
    return MessageRefused(Reason.NOT_READY)


def note_refused(message: Any, error: MessageRefused) -> None:
    """Remember that a message was refused, until its broker is told about it."""
    setattr(message, _REFUSED, error)


def skip_if_refused(broker: Any, message: Any) -> None:
    """Reject a message that was refused. Raises MessageSkipped."""
    error: MessageRefused | None = message.__dict__.pop(_REFUSED, None)
    if error is not None:
        raise refuse(broker, message, error) from None


def refuse(broker: Any, message: Any, error: MessageRefused) -> MessageSkipped:
    """Reject a message, or enqueue it again if it may be admitted later. Return the error to skip it with."""
    if not (error.is_later and _is_enqueued_again(broker, message)):
        message.fail()
    return MessageSkipped(error.reason)


def _is_enqueued_again(broker: Any, message: Any) -> bool:
    entered = enter(None)  # with its own header
    try:
        broker.enqueue(message, delay=round(LATER_AFTER * 1000))
    except Exception:
        _log.exception("message %s may be admitted later, and could not be enqueued again", message.message_id)
        return False
    finally:
        leave(entered)
    message.options["store_results"] = False  # there is none yet
    return True
