"""Where a task has its headers: at the top of its message, and once more in what Celery calls its ``headers``.

Celery puts what it knows of a task and the caller's own headers side by side. In a message of protocol 1, in a task
that is called eagerly, and where another library works around Celery issue 4875, the caller's are one level below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.context import Context

from synthetic._baggage import find
from synthetic._carrier import NAME, SPELLINGS, baggage_in, outgoing
from synthetic._config import active

__all__ = ["departing", "markers_in", "markers_of", "markers_received"]

_BELOW: Final = "headers"

_OURS: Final = SPELLINGS | {_BELOW}
"""The names under which a marker may stand."""


def markers_received(message: Any) -> Sequence[str]:
    """Return the values of the ``baggage`` headers of a message, and see that the task finds them by that name."""
    headers: dict[str, Any] = message.headers
    if not headers or headers.keys().isdisjoint(_OURS):
        return ()
    values = markers_in(headers)
    if values and NAME not in headers and not headers.get(_BELOW):
        headers[NAME] = ",".join(values)
    return values


def markers_of(request: Any) -> Sequence[str]:
    """Return the values of the ``baggage`` headers of a task that was received and is to run."""
    if not request or (request.get(NAME) is None and not request.get(_BELOW)):
        return ()
    return markers_in(request)


def markers_in(headers: Mapping[str, Any] | None) -> list[str]:
    """Return the values of the ``baggage`` headers of a task, of its message or of its request.

    What stands at the top counts. A copy below may be older: nobody but us keeps it up to date.
    """
    if not headers:
        return []
    values = baggage_in(headers)
    below = headers.get(_BELOW)
    if not below or not isinstance(below, Mapping):
        return values
    if values and not find(values, active().key).is_empty:
        return values
    return [*values, *baggage_in(below)]  # pyright: ignore[reportUnknownArgumentType]


def departing(headers: Mapping[str, Any] | None) -> tuple[Mapping[str, Any] | None, Context | None]:
    """Return the headers that a task leaves with, and the OpenTelemetry context to send it in, or None.

    Raises UnverifiedMarker.
    """
    sent, otel = outgoing(headers)
    if sent:
        below = sent.get(_BELOW)
        if isinstance(below, Mapping) and baggage_in(below):  # pyright: ignore[reportUnknownArgumentType]
            copy, _ = outgoing(below)  # pyright: ignore[reportUnknownArgumentType]
            sent = {**sent, _BELOW: copy}
    return sent, otel
