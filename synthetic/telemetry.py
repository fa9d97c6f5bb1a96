"""Spans and log records of simulated work say so, on the providers that the application has."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace

from synthetic._config import active
from synthetic._verdict import Real, Unverified, current_verdict, verdict_in

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["attributes", "setup"]

_log = logging.getLogger("synthetic")

_SYNTHETIC_TYPE = "test"
"""What the semantic conventions call such traffic (``user_agent.synthetic.type`` is ``bot`` or ``test``)."""

_UNVERIFIED = "unverified"


def attributes(parent: context.Context | None = None) -> dict[str, str]:
    """Return the attributes that describe the work at hand; ``{}`` for real work. Never raises.

    Simulated work has the configured attribute (``user_agent.synthetic.type``) with the value ``test``, and
    ``synthetic.run``, ``synthetic.kind`` and, where the marker has one, ``synthetic.scenario``. Work whose marker does
    not verify has the value ``unverified``. ``parent`` is the OpenTelemetry context to ask in place of the current one.
    """
    try:
        verdict: Any = (verdict_in(parent) if parent else None) or current_verdict()
        if verdict is None or isinstance(verdict, Real):
            return {}
        name = active().attribute
        if isinstance(verdict, Unverified):
            return {name: _UNVERIFIED}
        marker = verdict.marker
        facts = {"run": marker.run, "kind": marker.kind, "scenario": marker.scenario}
        return {
            name: _SYNTHETIC_TYPE,
            **{f"synthetic.{fact}": value for fact, value in facts.items() if value},
        }
    except Exception:  # telemetry never harms the work that it describes
        return {}


def mark_current_span() -> None:
    """Set the attributes on the span that is current: a server's span began before its request was admitted."""
    try:
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes(attributes())
    except Exception as error:  # telemetry never harms the work that it describes
        _log.debug("a span could not be told that its work is simulated: %r", error)


def setup(tracer_provider: TracerProvider | None = None, logger_provider: LoggerProvider | None = None) -> None:
    """Put the attributes on every span and log record of simulated work.

    The providers are those of the OpenTelemetry SDK; a provider that is not given is the global one, where that can
    take processors. Doing it twice for a provider does it once. Call it before the exporters are added to a logger
    provider: processors run in their order. Raises TypeError for a provider that was given and takes no processors.
    """
    from synthetic import _processors

    _processors.add_to_tracer_provider(tracer_provider)
    _processors.add_to_logger_provider(logger_provider)
