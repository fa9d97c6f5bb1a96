"""This library's instrumentation and OpenTelemetry's, on for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import is_
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic


@contextmanager
def instrumented(*products: str) -> Iterator[None]:
    synthetic.instrument(*products)
    try:
        yield
    finally:
        synthetic.uninstrument(*products)


@contextmanager
def by_opentelemetry(*instrumentors: Callable[[], Any], **options: Any) -> Iterator[None]:
    """OpenTelemetry's instrumentations, switched on in that order, with providers that record nothing."""
    with ExitStack() as undo:
        for instrumentor in instrumentors:
            theirs = made_or_skipped(instrumentor)
            theirs.instrument(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider(), **options)
            undo.callback(theirs.uninstrument)
        yield


@contextmanager
def traced(instrumentor: Callable[[], Any], **options: Any) -> Iterator[None]:
    """Switch on one of OpenTelemetry's instrumentors. Give a ``tracer_provider``; the benchmarks take a no-op one."""
    instance = instrumentor()
    instance.instrument(**options)
    try:
        yield
    finally:
        instance.uninstrument()


def made_or_skipped(instrumentor: Callable[[], Any]) -> Any:
    """Make it; where OpenTelemetry's package is not installed, the test is skipped."""
    try:
        return instrumentor()
    except ModuleNotFoundError as missing:
        import pytest

        pytest.skip(f"could not import {missing.name!r}")


def attributes_of(*owners: type) -> list[Any]:
    """What stands in these classes, for ``same``."""
    return [value for owner in owners for _, value in sorted(vars(owner).items())]


def same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether these are the same objects. A wrapper may equal what it wraps."""
    return len(some) == len(others) and all(map(is_, some, others))
