"""Asks the services, before the first actor acts, whether they know markers.

Each path gets an OPTIONS request with a marker whose signature is broken. A service that knows markers refuses it, in
every mode. One that answers anything else would execute simulated requests as real.
"""

from __future__ import annotations

import json
from enum import Enum
from http.client import HTTPException
from typing import Any, Final, NamedTuple, cast
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import synthetic
from synthetic.integration import ACKNOWLEDGEMENT, BAGGAGE, without_verdict
from synthetic_locust._answers import GATEWAYS

__all__ = ["PAUSE", "Finding", "Guarding", "ask", "broken_marker", "hint_of"]

PAUSE: Final = 10.0
"""Seconds after which the services are asked again, while the run goes on."""

_PATIENCE: Final = 5.0


class Guarding(Enum):
    """What the answer to a request with a broken marker tells."""

    GUARDED = "guarded"
    """The service knows markers, and refuses this one for its signature."""
    REFUSES_ALL = "refuses all"
    """The service knows markers, but would refuse a good one, too."""
    OPEN = "open"
    """The service does not know markers: it would execute simulated requests as real."""
    UNCLEAR = "could not tell"
    SILENT = "no answer"


class Finding(NamedTuple):
    """What was found at one URL."""

    url: str
    guarding: Guarding
    why: str

    def __str__(self) -> str:
        return f"{self.url}: {self.guarding.value} ({self.why})"


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = build_opener(ProxyHandler({}), _NoRedirects)  # the actors' clients use no proxy of the environment either

_HINTS: Final = {
    Guarding.OPEN: "a request would be executed as real. Give the service this library's middleware, outermost.",
    Guarding.REFUSES_ALL: "every request would be refused. Give the service the public key of this run, and the "
    "same environment.",
    Guarding.SILENT: "nothing answers there. Start the service, or correct the host and paths of this target.",
    Guarding.UNCLEAR: "a request could be executed as real. If a service cannot tell whether it knows markers, set "
    "preflight = false for this target, or preflight = [...] to paths that can.",
}


def hint_of(guarding: Guarding) -> str:
    """Return what to do about services like that."""
    return _HINTS[guarding]


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
    except (OSError, HTTPException, ValueError) as error:
        return Finding(url, Guarding.SILENT, str(error))


def _finding(url: str, status: int, said: str | None, body: bytes) -> Finding:
    if said == "refused":
        reason = _reason(body)
        if reason == "bad-signature":
            return Finding(url, Guarding.GUARDED, "it refuses a broken marker")
        return Finding(url, Guarding.REFUSES_ALL, f"it refuses every marker: {reason}")
    if said == "later":
        return Finding(url, Guarding.GUARDED, "it sheds simulated work")
    if said is not None:
        return Finding(url, Guarding.OPEN, f"it has taken a broken marker for a good one: {status}")
    if status in GATEWAYS or not 200 <= status < 500 or 300 <= status < 400:
        return Finding(url, Guarding.UNCLEAR, f"status {status} without the header {ACKNOWLEDGEMENT}")
    return Finding(url, Guarding.OPEN, f"status {status} without the header {ACKNOWLEDGEMENT}")


def _reason(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return "unknown"
    return str(cast("dict[str, Any]", problem).get("reason")) if isinstance(problem, dict) else "unknown"
