"""What the answer to a simulated request says: shed, refused, or that nobody there knows markers.

Whether a service knows markers shows in each answer, that of a redirect as well. So the clients are asked, below what
follows redirects.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, cast

from synthetic.integration import ACKNOWLEDGEMENT, Simulated, current_verdict, takes_part

__all__ = ["GATEWAYS", "Answer", "RequestRefused", "answer_of", "is_unacknowledged"]

GATEWAYS: Final = (401, 403, 407, 429)
"""Statuses with which something in front of a service may refuse a request. They do not tell about the service."""

_RETRY_AFTER: Final = 1.0
"""Seconds to wait if a service does not say how long."""

_LONGEST_WAIT: Final = 60.0


class RequestRefused(Exception):
    """A service has refused a simulated request. ``reason`` is its code, for example ``halted``."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"refused: {reason}")
        self.reason = reason


class Answer(NamedTuple):
    """What an answer says beside its content."""

    later: float | None = None
    """Seconds to wait before the next request, if the service sheds simulated work or is not ready."""
    refused: str | None = None
    """The reason why the request was refused."""


def answer_of(response: Any) -> Answer:
    """Return what a response says; an empty answer for anything that is not an HTTP response."""
    status = getattr(response, "status_code", None)
    headers = getattr(response, "headers", None)
    if not isinstance(status, int) or status == 0 or headers is None:
        return Answer()
    said: str | None = headers.get(ACKNOWLEDGEMENT)
    if said == "later":
        return Answer(later=_seconds(headers.get("retry-after")))
    if said == "refused":
        return Answer(refused=_reason(response))
    return Answer()


def is_unacknowledged(host: str, status: int, said: str | None) -> bool:
    """Whether a request of simulated work was answered, at ``host``, by something that does not know markers.

    ``said`` is the value of the header ``ACKNOWLEDGEMENT``, if there is one.
    """
    if said is not None or not 200 <= status < 500 or status in GATEWAYS:
        return False
    return isinstance(current_verdict(), Simulated) and takes_part(host)


def _seconds(value: str | None) -> float:
    try:
        seconds = float(value or _RETRY_AFTER)
    except ValueError:
        return _RETRY_AFTER  # a date
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _reason(response: Any) -> str:
    try:
        problem = json.loads(response.text)
    except (ValueError, TypeError):
        return "unknown"
    found = cast("dict[str, Any]", problem).get("reason") if isinstance(problem, dict) else None
    return found if isinstance(found, str) else "unknown"
