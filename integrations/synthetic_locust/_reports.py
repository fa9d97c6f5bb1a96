"""Tells of the health of journeys: a line in the log, OpenTelemetry metrics, and a webhook."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any, Final, cast
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import gevent  # type: ignore[import-untyped]
from opentelemetry import metrics

import synthetic
from synthetic_locust._health import Change, Health
from synthetic_locust._tally import Tally
from synthetic_locust._target import Target

__all__ = ["Reports"]

_log = logging.getLogger("synthetic.drive")

_ATTEMPTS: Final = 3
_PATIENCE: Final = 5.0


class Reports:
    """Reports a run, on the process that leads it."""

    def __init__(self, target: Target, health: Health, tally: Tally) -> None:
        self._target = target
        self._health = health
        self._tally = tally
        self._counted: dict[tuple[str, str, str], int] = {}
        meter = metrics.get_meter("synthetic_locust")
        self._ended = meter.create_counter(
            "synthetic.journey.ended", unit="{journey}", description="Journeys that have ended"
        )
        meter.create_observable_gauge(
            "synthetic.journey.healthy",
            callbacks=[self._observe],
            # No unit: with "1", some exporters add "_ratio" to the name for Prometheus, and others do not.
            description="1 if the journey is healthy, 0 if it is not",
        )

    def report(self, changes: list[Change]) -> None:
        """Report what has changed, and count what has ended since the last time."""
        for change in changes:
            _log.log(logging.INFO if change.state == "healthy" else logging.WARNING, "%s", change)
            if self._target.health.notify is not None:
                gevent.spawn(_post, self._target.health.notify, self._document(change))
        for key, number in self._tally.ended.items():
            more = number - self._counted.get(key, 0)
            if more:
                journey, outcome, step = key
                self._ended.add(more, {**self._attributes(journey), "outcome": outcome, "step": step})
                self._counted[key] = number

    def report_end(self, text: str, *, is_guardrail: bool) -> None:
        """Tell how the run ends, if somebody waits for that, and wait for the webhook a few seconds."""
        notify = self._target.health.notify
        if notify is not None:
            document = {"run": self._target.run, "host": self._target.host, "state": "stopped", "text": text}
            with gevent.Timeout(_PATIENCE, cast("Any", False)):
                _post(notify, {**document, "guardrail": is_guardrail})

    def _observe(self, _: Any) -> Iterable[metrics.Observation]:
        for journey, state in self._health.states().items():
            if state != "unknown":
                yield metrics.Observation(int(state == "healthy"), self._attributes(journey))

    def _attributes(self, journey: str) -> dict[str, str]:
        return {"journey": journey, "run": self._target.run}

    def _document(self, change: Change) -> dict[str, Any]:
        failure = change.failure
        return {
            "run": self._target.run,
            "host": self._target.host,
            "journey": change.journey,
            "state": change.state,
            "before": change.before,
            "completed": change.completed,
            "failed": change.failed,
            "step": failure and failure.step,
            "cause": failure and failure.cause,
            "trace_id": failure and failure.trace,
            "text": str(change),
        }


def _post(url: str, document: dict[str, Any]) -> None:
    """Post a document. A webhook that does not answer must not harm the run: it is logged."""
    body = json.dumps(document).encode()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with synthetic.real():
                request = Request(url, body, {"content-type": "application/json"})
                with urlopen(request, timeout=_PATIENCE):
                    return
        except OSError as error:
            _log.warning(
                "the webhook at %s has failed (%d of %d): %s", urlsplit(url).hostname, attempt, _ATTEMPTS, error
            )
            gevent.sleep(attempt)
