"""One trace per journey, so that a failure can be looked up in the services."""

from __future__ import annotations

import secrets
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["Trace"]

_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Trace:
    """The trace of a journey, current until ``end``. ``header`` is its ``traceparent`` (W3C Trace Context).

    If the process has a tracer provider, the journey is a span. Otherwise it only has ids.
    """

    def __init__(self, name: str, *, is_sampled: bool) -> None:
        self._span = trace.get_tracer("synthetic_locust").start_span(f"journey {name}")
        if not self._span.get_span_context().is_valid:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if is_sampled else trace.TraceFlags.DEFAULT)
            ids = secrets.randbits(128) or 1, secrets.randbits(64) or 1
            self._span = trace.NonRecordingSpan(trace.SpanContext(*ids, is_remote=False, trace_flags=flags))
        present = trace.set_span_in_context(self._span)
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, present)
        self.header: str | None = carrier.get("traceparent")
        self.trace_id: str = trace.format_trace_id(self._span.get_span_context().trace_id)
        self._attached = context.attach(present)

    def end(self, failure: str | None) -> None:
        """End the journey's span; ``failure`` is None if it succeeded."""
        context.detach(self._attached)
        if failure is not None:
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, failure))
        self._span.end()
