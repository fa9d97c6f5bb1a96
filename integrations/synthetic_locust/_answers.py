"""What the answer to a simulated request says: shed, refused, or that nobody there knows markers."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from synthetic.integration import ACKNOWLEDGEMENT, Simulated, current_verdict, takes_part

__all__ = ["GATEWAYS", "Answer", "RequestRefused", "answer_of"]

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
    is_unacknowledged: bool = False
    """Whether the request carried a marker, and the answer does not show that anybody knows markers."""


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
    is_of_service = 200 <= status < 500 and status not in GATEWAYS
    return Answer(is_unacknowledged=said is None and is_of_service and _had_marker(response))


def _had_marker(response: Any) -> bool:
    """Whether the request was sent with a marker. A client's own request object need not show it."""
    url = getattr(getattr(response, "request", None), "url", None)
    if not isinstance(url, str) or not isinstance(current_verdict(), Simulated):
        return False
    return takes_part(urlsplit(url).hostname or "")


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
