"""Attributes on the spans, log records and metrics of simulated work, on your application's OpenTelemetry providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import context

from synthetic._work.attributes import attributes_of
from synthetic._work.mirror import verdict_in
from synthetic._work.state import current_verdict

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["attributes", "mark_metrics", "setup"]


def attributes(parent: context.Context | None = None) -> dict[str, str]:
    """Return the attributes that describe the current work; ``{}`` for real work. Never raises.

    Simulated work has the configured attribute with the value ``test``, ``synthetic.run``, ``synthetic.kind`` and, if
    the marker names one, ``synthetic.scenario``. Work whose marker does not verify has only the configured attribute,
    with the value ``unverified``. The default attribute, ``user_agent.synthetic.type``, and its value ``test`` come
    from OpenTelemetry's semantic conventions. ``parent`` is the OpenTelemetry context to read instead of the current
    one.
    """
    try:
        return attributes_of((verdict_in(parent) if parent else None) or current_verdict())
    except Exception:  # telemetry must not harm the work that it describes
        return {}


def setup(tracer_provider: TracerProvider | None = None, logger_provider: LoggerProvider | None = None) -> None:
    """Put ``attributes()`` on every span and log record of simulated work.

    The providers are those of the OpenTelemetry SDK; None means the global provider. A second call for the same
    provider does nothing. Call it before you add exporters to a logger provider, because processors run in the order
    in which they were added. If the global provider takes no processors, a warning is logged. Raises TypeError if a
    provider that you give takes none.
    """
    from synthetic._work import processors

    processors.add_to_tracer_provider(tracer_provider, attributes)
    processors.add_to_logger_provider(logger_provider, attributes)


def mark_metrics(meter_provider: MeterProvider) -> MeterProvider:
    """Return a meter provider that marks what simulated work measures, and otherwise is ``meter_provider``.

    Give it to an instrumentation (``meter_provider=``), or make it the global one. Its histograms and counters add the
    configured attribute, ``test`` or ``unverified``, to the measurements of simulated work; with the setting
    ``metrics_run`` also ``synthetic.run``. Other instruments, and the measurements of real work, stay as they are.
    """
    from synthetic._work.meters import MarkingMeterProvider

    return MarkingMeterProvider(meter_provider)  # type: ignore[return-value] # a proxy
