"""OpenTelemetry's instrumentation of HTTP clients, on for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from opentelemetry.trace import NoOpTracerProvider


@contextmanager
def by_opentelemetry(*names: str) -> Iterator[None]:
    """OpenTelemetry's instrumentations of the packages named, switched on in that order."""
    with ExitStack() as undo:
        for name in names:
            module = pytest.importorskip(f"opentelemetry.instrumentation.{name}")
            instrumentor = {"requests": "RequestsInstrumentor", "urllib3": "URLLib3Instrumentor"}[name]
            instance = getattr(module, instrumentor)()
            instance.instrument(tracer_provider=NoOpTracerProvider())
            undo.callback(instance.uninstrument)
        yield
