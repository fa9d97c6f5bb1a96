"""Reads and writes the headers of a task.

Celery puts its own headers and the caller's headers side by side, at the top of the message. One level below, in
``headers``, are the caller's: in a message of protocol 1, in a task that is called eagerly, and in a message from a
library that works around Celery issue 4875.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from synthetic.integration import BAGGAGE, Within, baggage_in, has_marker, outgoing

__all__ = ["departing", "has_eta", "markers_in", "markers_of", "markers_received"]

_BELOW: Final = "headers"


def markers_received(message: Any) -> Sequence[str]:
    """Return the values of the ``baggage`` headers of a message, and store them where the task looks for them."""
    headers: dict[str, Any] = message.headers
    values = markers_in(headers)
    if values and BAGGAGE not in headers and not headers.get(_BELOW):
        headers[BAGGAGE] = ",".join(values)
    return values


def markers_of(request: Any) -> Sequence[str]:
    """Return the values of the ``baggage`` headers of a task that was received and is about to run."""
    if not request or (request.get(BAGGAGE) is None and not request.get(_BELOW)):
        return ()
    return markers_in(request)


def has_eta(message: Any) -> bool:
    """Whether a worker keeps the task of this message until a certain time: one with a countdown, or a retry."""
    content: Any = message.headers
    if "eta" not in content:  # protocol 1 has it in the body
        try:
            content = message.payload
        except Exception:
            return False  # the worker will say that it cannot read the message
    return isinstance(content, Mapping) and content.get("eta") is not None  # pyright: ignore[reportUnknownMemberType]


def markers_in(headers: Mapping[str, Any] | None) -> list[str]:
    """Return the values of the ``baggage`` headers of a task, of its message or of its request.

    The header at the top counts. A copy below may be older, because only this integration updates it.
    """
    if not headers:
        return []
    values = baggage_in(headers)
    below = headers.get(_BELOW)
    if not below or not isinstance(below, Mapping):
        return values
    if has_marker(values):
        return values
    return [*values, *baggage_in(below)]  # pyright: ignore[reportUnknownArgumentType]


def departing(headers: Mapping[str, Any] | None) -> tuple[Mapping[str, Any] | None, Within]:
    """Return the headers that a task leaves with, and how to send it.

    Raises UnverifiedMarker.
    """
    sent, within = outgoing(headers)
    if sent:
        below = sent.get(_BELOW)
        if isinstance(below, Mapping) and baggage_in(below):  # pyright: ignore[reportUnknownArgumentType]
            copy, _ = outgoing(below)  # pyright: ignore[reportUnknownArgumentType]
            sent = {**sent, _BELOW: copy}
    return sent, within
