"""The events of simulated work: they are tagged, and may be sampled at a rate of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import wraps
from traceback import walk_tb
from types import TracebackType
from typing import Any, cast

from synthetic import Marker
from synthetic.errors import ConfigurationError
from synthetic.integration import IsOn, Real, Received, Simulated, baggage_in, claimed_by, current_verdict, go_on_after

__all__ = ["configure", "preparing"]

_ADMITTING = ("synthetic.", "synthetic_")
_rate = 1.0


def configure(*, sample_rate: float = 1.0) -> None:
    """Send this part of the events of simulated work to Sentry, from 0 (none) to 1 (all).

    It is applied after the rates of ``sentry_sdk.init``, to errors and transactions alike. A load test fails a thousand
    times in a minute: at the rate of real work, that uses up the quota that real errors need. Real events are not
    affected. Raises ConfigurationError for any other value.
    """
    global _rate
    if isinstance(cast("object", sample_rate), bool) or not 0 <= sample_rate <= 1:
        raise ConfigurationError(f"sample_rate={sample_rate!r} is not between 0 and 1, for example 0.1")
    _rate = float(sample_rate)


def preparing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``_Client._prepare_event``, which makes errors, transactions and check-ins ready to be sent."""

    @wraps(original)
    def _prepare_event(self: Any, event: Any, hint: Any, *args: Any, **kwargs: Any) -> Any:
        prepared = original(self, event, hint, *args, **kwargs)
        if prepared is None or not is_on():
            return prepared
        try:
            marker = _marker_of(prepared, hint)
        except Exception as error:
            marker = go_on_after(error, None)
        return prepared if marker is None else _of_simulated_work(prepared, marker)

    return _prepare_event


def _of_simulated_work(event: Any, marker: Marker) -> Any:
    """Return the event with tags; None if it is not in the sample."""
    if event.get("type") == "check_in":
        return event  # a monitor that misses one raises an alarm
    if _rate < 1 and random.random() >= _rate:
        return None
    facts = {"run": marker.run, "kind": marker.kind, "scenario": marker.scenario}
    present: dict[str, Any] = dict(event.get("tags") or {})
    event["tags"] = {**present, **{f"synthetic.{name}": value for name, value in facts.items() if value is not None}}
    return event


def _marker_of(event: Mapping[str, Any], hint: Any) -> Marker | None:
    """Return the marker of the work that an event is about; None if it is real.

    Sentry's integrations of frameworks are further out than admission. There the verdict is no longer in force; but the
    error has passed the function that admitted the work, or the event has the headers of the request.
    """
    verdict = current_verdict()
    if isinstance(verdict, (Simulated, Real)):
        return verdict.marker
    for admitted in _admitted_in(hint):
        return admitted.marker
    request: Mapping[str, Any] = event.get("request") or {}
    headers = request.get("headers")
    claimed = claimed_by(baggage_in(headers)) if headers else None
    return claimed.marker if isinstance(claimed, Received) else None


def _admitted_in(hint: Any) -> Iterator[Received]:
    """Yield the verdicts of the admissions that the error has passed, the innermost first."""
    facts: dict[str, Any] = dict(hint or {})
    error = facts.get("exc_info")
    trace: TracebackType | None = cast("Any", error)[2] if isinstance(error, tuple) else None
    found: list[Received] = []
    for frame, _ in walk_tb(trace):
        if str(frame.f_globals.get("__name__")).startswith(_ADMITTING):
            found += [value for value in frame.f_locals.values() if isinstance(value, Received)]
    return reversed(found)
