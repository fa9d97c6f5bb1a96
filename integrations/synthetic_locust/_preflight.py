"""Asks the services, before the first actor acts, whether they know markers.

Each path gets an OPTIONS request with a marker whose signature is broken. A service that knows markers refuses it, in
every mode. One that answers anything else would execute simulated requests as real.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Final, NamedTuple, cast
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import synthetic
from synthetic.integration import ACKNOWLEDGEMENT, BAGGAGE, without_verdict

__all__ = ["Finding", "Verdict", "ask", "broken_marker"]

PAUSE: Final = 10.0
"""Seconds between two times, while the run goes on."""

_PATIENCE: Final = 5.0
_GATEWAYS: Final = (401, 403, 407, 429)
"""Statuses with which something in front of a service may refuse a request. They do not tell about the service."""


class Verdict(Enum):
    """What the answer to a request with a broken marker tells."""

    GUARDED = "guarded"
    """The service knows markers, and refuses this one for its signature."""
    REFUSES_ALL = "refuses all"
    """The service knows markers, but would refuse a good one, too."""
    OPEN = "open"
    """The service does not know markers: it would execute simulated requests as real."""
    UNCLEAR = "could not tell"


class Finding(NamedTuple):
    """What was found at one URL."""

    url: str
    verdict: Verdict
    why: str

    def __str__(self) -> str:
        return f"{self.url}: {self.verdict.value} ({self.why})"


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = build_opener(_NoRedirects)


def broken_marker(run: str, kind: Any) -> str:
    """Return a ``baggage`` entry with a marker that was signed here, and whose signature was changed afterwards."""
    with synthetic.simulated(run=run, kind=kind):
        entry = synthetic.headers()[BAGGAGE]
    signed, _, signature = entry.rpartition(".")
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def ask(host: str, paths: tuple[str, ...], marker: str) -> list[Finding]:
    """Ask the service behind each path. Real work is never done: an OPTIONS request does nothing."""
    # With no verdict the marker in the header is the caller's own, and is sent as it is.
    return [without_verdict(_ask, f"{host}{path}", marker) for path in paths]


def _ask(url: str, marker: str) -> Finding:
    request = Request(url, method="OPTIONS", headers={BAGGAGE: marker})
    try:
        with _opener.open(request, timeout=_PATIENCE) as answer:
            return _finding(url, answer.status, answer.headers.get(ACKNOWLEDGEMENT), b"")
    except HTTPError as error:
        with error:
            return _finding(url, error.code, error.headers.get(ACKNOWLEDGEMENT), error.read(65_536))
    except OSError as error:
        return Finding(url, Verdict.UNCLEAR, f"no answer: {error}")


def _finding(url: str, status: int, said: str | None, body: bytes) -> Finding:
    if said == "refused":
        reason = _reason(body)
        if reason == "bad-signature":
            return Finding(url, Verdict.GUARDED, "it refuses a broken marker")
        return Finding(url, Verdict.REFUSES_ALL, f"it refuses every marker: {reason}")
    if said == "later":
        return Finding(url, Verdict.GUARDED, "it sheds simulated work")
    if said is not None:
        return Finding(url, Verdict.OPEN, f"it has taken a broken marker for a good one: {status}")
    if status in _GATEWAYS or not 200 <= status < 500 or 300 <= status < 400:
        return Finding(url, Verdict.UNCLEAR, f"status {status} without the header {ACKNOWLEDGEMENT}")
    return Finding(url, Verdict.OPEN, f"status {status} without the header {ACKNOWLEDGEMENT}")


def _reason(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return "unknown"
    return str(cast("dict[str, Any]", problem).get("reason")) if isinstance(problem, dict) else "unknown"
