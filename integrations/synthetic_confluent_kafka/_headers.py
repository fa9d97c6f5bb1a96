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

__all__ = ["departing", "incoming"]

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
    place: Any = message.topic(), message.partition()
    if message.error() is not None:
        return Incoming(message, place, NOWHERE, (), REAL)
    offset: Any = message.offset()
    try:
        headers = _headers_of(message)
    except (SystemError, UnicodeError):
        # A name that is not UTF-8. A second call of headers() would crash the interpreter.
        return Incoming(message, place, offset, (), verdict_or_refusal(_UNREADABLE))
    return Incoming(message, place, offset, headers or (), verdict_or_refusal(headers))
