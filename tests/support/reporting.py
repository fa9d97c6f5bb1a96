"""What an application under test reports: the verdict that it saw, and what it would send on."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import Any

from opentelemetry import baggage, context, propagate

import synthetic

ENTRY_KEY = "synthetic-traffic"

APPLICATION_HEADERS = [
    ("cache-control", "public, max-age=60"),
    ("cdn-cache-control", "max-age=600"),
    ("azure-cdn-cache-control", "max-age=600"),
    ("surrogate-control", "max-age=600"),
    ("edge-control", "cache-maxage=600"),
    ("x-litespeed-cache-control", "public"),
    ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
    ("x-own", "kept"),
]
"""What the application says to caches; a simulated response must not."""

EVENTS = 10_000
"""How many server-sent events there are: more than any client stays for."""


class Journal:
    """What was done for each request, by the id that its client gave it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, dict[str, Any]] = {}

    def note(self, id_: str, step: str, seen: Any = None) -> None:
        """Note a step, with whether the work is simulated where nothing else is given."""
        seen = synthetic.is_synthetic() if seen is None else seen
        with self._lock:
            self._steps.setdefault(id_, {})[step] = seen

    def of(self, id_: str) -> dict[str, Any]:
        with self._lock:
            return dict(self._steps.get(id_, {}))


JOURNAL = Journal()


def report(baggage_headers: list[str], **more: Any) -> dict[str, Any]:
    """What can be seen of the verdict here; ``baggage_headers`` are those that the application was given."""
    marker = synthetic.current()
    injected: dict[str, str] = {}
    propagate.inject(injected)
    return {
        "simulated": synthetic.is_synthetic(),
        "marker": marker and asdict(marker),
        "explicit": has_explicit_verdict(),
        "baggage": baggage_headers,
        "otel": {name: str(value) for name, value in baggage.get_all().items()},
        "injected": injected.get("baggage"),
        "headers": synthetic.headers(),
        **more,
    }


def has_explicit_verdict() -> bool:
    """Whether a verdict is in force: without one, a bad entry in the OpenTelemetry baggage makes asking raise."""
    token = context.attach(baggage.set_baggage(ENTRY_KEY, "not-a-token"))
    try:
        synthetic.is_synthetic()
    except synthetic.UnverifiedMarker:
        return False
    finally:
        context.detach(token)
    return True
