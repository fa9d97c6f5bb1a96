"""The attributes that describe a verdict on spans and log records."""

from __future__ import annotations

import logging
from typing import Final

from opentelemetry import trace

from synthetic._config.in_force import active
from synthetic._model.verdict import Real, Unverified, Verdict

__all__ = ["attributes_of", "mark_span"]

_log = logging.getLogger("synthetic")

_SYNTHETIC_TYPE: Final = "test"
"""The value for such traffic in the semantic conventions (``user_agent.synthetic.type`` is ``bot`` or ``test``)."""

_UNVERIFIED: Final = "unverified"


def attributes_of(verdict: Verdict | None) -> dict[str, str]:
    """Return the attributes that describe work with this verdict; ``{}`` for real work."""
    if verdict is None or isinstance(verdict, Real):
        return {}
    name = active().attribute
    if isinstance(verdict, Unverified):
        return {name: _UNVERIFIED}
    marker = verdict.marker
    facts = {"run": marker.run, "kind": marker.kind, "scenario": marker.scenario}
    return {name: _SYNTHETIC_TYPE, **{f"synthetic.{fact}": value for fact, value in facts.items() if value}}


def mark_span(verdict: Verdict) -> None:
    """Set the attributes on the current span. A server's span starts before its request is admitted."""
    try:
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes(attributes_of(verdict))
    except Exception as error:  # telemetry must not harm the work that it describes
        _log.debug("a span cannot be marked as simulated: %r", error)
