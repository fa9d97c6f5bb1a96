"""The processors of the OpenTelemetry SDK for ``telemetry.setup``, which is the only one to import them."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

__all__ = ["LogProcessor", "MarkerSpanProcessor", "add_to_logger_provider", "add_to_tracer_provider"]

Attributes: TypeAlias = "Callable[[context.Context | None], dict[str, str]]"
"""``synthetic.telemetry.attributes``."""

_log = logging.getLogger("synthetic")

_done: weakref.WeakSet[Any] = weakref.WeakSet()


class MarkerSpanProcessor(SpanProcessor):
    """Sets the attributes when a span starts, for the processors and exporters after it."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """Set the attributes of the work that the span is part of."""
        for name, value in self._attributes(parent_context).items():
            span.set_attribute(name, value)

    def on_end(self, span: ReadableSpan) -> None:
        """Do nothing."""


class LogProcessor:
    """Sets the attributes on a log record when it is emitted. The record's own attributes win.

    The methods are those of the SDK's ``LogRecordProcessor``, under both names that the SDK has used.
    """

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes

    def on_emit(self, log_record: Any) -> None:
        """Set the attributes of the work that logged."""
        record = log_record.log_record
        found = self._attributes(None)
        if found:
            record.attributes = {**found, **(record.attributes or {})}

    emit = on_emit

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing is buffered."""
        return True


def add_to_tracer_provider(provider: Any, attributes: Attributes) -> None:
    """Add the span processor to ``provider``, or to the global one."""
    _add(provider, trace.get_tracer_provider(), "add_span_processor", MarkerSpanProcessor(attributes))


def add_to_logger_provider(provider: Any, attributes: Attributes) -> None:
    """Add the log processor to ``provider``, or to the global one."""
    from opentelemetry import _logs

    _add(provider, _logs.get_logger_provider(), "add_log_record_processor", LogProcessor(attributes))


def _add(given: Any, default: Any, method: str, processor: Any) -> None:
    provider = default if given is None else given
    add = getattr(provider, method, None)
    if add is None:
        if given is not None:
            raise TypeError(f"{given!r} takes no processors; pass an SDK provider, or None for the global one")
        _log.warning(
            "the global %s takes no processors, so simulated work is not marked on it. Call "
            "synthetic.telemetry.setup() after you set the SDK's provider, or pass that provider to it.",
            type(default).__name__,
        )
        return
    if provider not in _done:
        _done.add(provider)
        add(processor)
