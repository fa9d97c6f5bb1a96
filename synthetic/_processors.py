"""The processors of the OpenTelemetry SDK behind ``telemetry.setup``; loaded only then."""

from __future__ import annotations

import logging
import weakref
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from synthetic.telemetry import attributes

__all__ = ["LogProcessor", "MarkerSpanProcessor", "add_to_logger_provider", "add_to_tracer_provider"]

_log = logging.getLogger("synthetic")

_done: weakref.WeakSet[Any] = weakref.WeakSet()


class MarkerSpanProcessor(SpanProcessor):
    """Sets the attributes when a span starts, for the processors and exporters after it."""

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """Set the attributes of the work that the span is part of."""
        for name, value in attributes(parent_context).items():
            span.set_attribute(name, value)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing is left to do."""


class LogProcessor:
    """Sets the attributes on a log record when it is emitted; its own ones win.

    The methods are those of the SDK's ``LogRecordProcessor``, under both of the names that it had.
    """

    def on_emit(self, log_record: Any) -> None:
        """Set the attributes of the work that logged."""
        record = log_record.log_record
        found = attributes()
        if found:
            record.attributes = {**found, **(record.attributes or {})}

    emit = on_emit

    def shutdown(self) -> None:
        """Nothing is open."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back."""
        return True


def add_to_tracer_provider(provider: Any) -> None:
    """Add the span processor to ``provider``, or to the global one."""
    _add(provider, trace.get_tracer_provider(), "add_span_processor", MarkerSpanProcessor)


def add_to_logger_provider(provider: Any) -> None:
    """Add the log processor to ``provider``, or to the global one."""
    from opentelemetry import _logs

    _add(provider, _logs.get_logger_provider(), "add_log_record_processor", LogProcessor)


def _add(given: Any, default: Any, method: str, processor: type[Any]) -> None:
    provider = default if given is None else given
    add = getattr(provider, method, None)
    if add is None:
        if given is not None:
            raise TypeError(f"{given!r} takes no processors; give the SDK's provider, or none for the global one")
        _log.warning(
            "the global %s takes no processors: simulated work is not marked on it. Call synthetic.telemetry.setup() "
            "after the SDK's provider is set, or give it that provider.",
            type(default).__name__,
        )
        return
    if provider not in _done:
        _done.add(provider)
        add(processor())
