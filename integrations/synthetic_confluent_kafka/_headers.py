"""The headers of a message: as it leaves, and as it comes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Message

from synthetic.integration import (
    NOWHERE,
    REAL,
    Incoming,
    go_on_after,
    is_verbatim,
    outgoing,
    outgoing_pairs,
    verdict_or_refusal,
)

__all__ = ["departing", "headers_of", "incoming", "incoming_with"]

_UNREADABLE: Final = [("baggage", "synthetic-traffic")]  # our entry without a value, which is refused as malformed

# message.headers() returns with an error pending; only a call from C looks for that at once.
_headers_of: Final[Callable[[Message], Any]] = operator.methodcaller("headers")


def departing(headers: Any) -> Any:
    """Return the headers that a message leaves with; ``headers`` themselves if they stay as they are."""
    if is_verbatim():
        return headers
    try:
        leaving: Any = (outgoing if issubclass(type(headers), dict) else outgoing_pairs)(headers)[0]
    except Exception as error:  # also for values that are no headers: the producer raises its own error for them
        return go_on_after(error, headers)
    return leaving


def incoming(message: Message) -> Incoming:
    """Return a message that was received, with the verdict on it. Events of the client are real."""
    if message.error() is not None:
        place: Any = message.topic(), message.partition()
        return Incoming(message, place, NOWHERE, (), REAL)
    return incoming_with(message, headers_of(message))


def incoming_with(message: Message, headers: Any) -> Incoming:
    """Do the same for a message, not an event, whose headers were read."""
    place: Any = message.topic(), message.partition()
    offset: Any = message.offset()
    return Incoming(message, place, offset, headers or (), verdict_or_refusal(headers))


def headers_of(message: Message) -> Any:
    """Return the headers of a message. Call it once for each: a second call may crash the interpreter."""
    try:
        return _headers_of(message)
    except (SystemError, UnicodeError):
        return _UNREADABLE  # a name is not UTF-8
