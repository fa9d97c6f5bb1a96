"""Instrumentation that is on for the length of a block: this library's, and OpenTelemetry's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import synthetic


@contextmanager
def instrumented(product: str) -> Iterator[None]:
    """Switch this library on for one product."""
    synthetic.instrument(product)
    try:
        yield
    finally:
        synthetic.uninstrument(product)


@contextmanager
def traced(instrumentor: Callable[[], Any], **options: Any) -> Iterator[None]:
    """Switch on one of OpenTelemetry's instrumentors. Give a ``tracer_provider``; the benchmarks take a no-op one."""
    instance = instrumentor()
    instance.instrument(**options)
    try:
        yield
    finally:
        instance.uninstrument()
