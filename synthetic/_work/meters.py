"""Meters that put the attribute of simulated work on measurements.

The metrics of a server's instrumentation have no hook for attributes. It takes a meter provider, though, and measures
while its span is current or with the span at hand; the middleware has marked that span. Of a span that is not sampled,
this module remembers itself what it belongs to.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from typing import Any, Final

import wrapt
from opentelemetry import trace
from opentelemetry.context import Context

from synthetic import ledger
from synthetic._config.in_force import active
from synthetic._work.attributes import attributes_of
from synthetic._work.state import current_verdict

__all__ = ["MarkingMeterProvider"]

_log = logging.getLogger("synthetic")

_RUN: Final = "synthetic.run"

_unsampled: Final[weakref.WeakKeyDictionary[trace.Span, str]] = weakref.WeakKeyDictionary()
"""The run of a request whose span records nothing."""


def _remember(outcome: ledger.Outcome) -> None:
    span = trace.get_current_span()
    is_admitted = outcome.effect == ledger.ADMISSION and outcome.reason is None
    if is_admitted and outcome.marker and span is not trace.INVALID_SPAN and not span.is_recording():
        _unsampled[span] = outcome.marker.run


class MarkingMeterProvider(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A meter provider whose counters and histograms mark what simulated work measures."""

    def __init__(self, provider: Any) -> None:
        super().__init__(provider)  # pyright: ignore[reportUnknownMemberType]
        ledger.subscribe(_remember, admissions=True)

    def get_meter(self, *args: Any, **kwargs: Any) -> Any:
        """Return a meter that does the same."""
        return _Meter(_of(self).get_meter(*args, **kwargs))


class _Meter(wrapt.ObjectProxy):  # type: ignore[type-arg]
    def create_histogram(self, *args: Any, **kwargs: Any) -> Any:
        return _Histogram(_of(self).create_histogram(*args, **kwargs))

    def create_counter(self, *args: Any, **kwargs: Any) -> Any:
        return _Counter(_of(self).create_counter(*args, **kwargs))

    # Not an up-down counter: one of requests in progress would go up before the verdict is known, and down after.


class _Histogram(wrapt.ObjectProxy):  # type: ignore[type-arg]
    def record(self, amount: Any, attributes: Any = None, *args: Any, **kwargs: Any) -> Any:
        return _of(self).record(amount, _marked(attributes, *args, **kwargs), *args, **kwargs)


class _Counter(wrapt.ObjectProxy):  # type: ignore[type-arg]
    def add(self, amount: Any, attributes: Any = None, *args: Any, **kwargs: Any) -> Any:
        return _of(self).add(amount, _marked(attributes, *args, **kwargs), *args, **kwargs)


def _of(proxy: Any) -> Any:
    return proxy.__wrapped__


def _marked(
    attributes: Mapping[str, Any] | None, context: Context | None = None, *others: Any
) -> Mapping[str, Any] | None:
    try:
        ours = _attributes(context)
    except Exception as error:  # telemetry must not harm the work that it describes
        _log.debug("a measurement cannot be marked as simulated: %r", error)
        return attributes
    return {**(attributes or {}), **ours} if ours else attributes


def _attributes(context: Context | None) -> dict[str, str]:
    """Return the attributes for a measurement. A context that is given says more than the verdict in force."""
    config = active()
    facts: dict[str, str] = {}
    if context is not None:
        facts = _facts_of(trace.get_current_span(context), config.attribute)
    if not facts:
        verdict = current_verdict()
        if verdict is not None:
            facts = attributes_of(verdict)
        elif context is None:
            facts = _facts_of(trace.get_current_span(), config.attribute)
    names = (config.attribute, _RUN) if config.metrics_run else (config.attribute,)
    return {name: facts[name] for name in names if name in facts}


def _facts_of(span: trace.Span, name: str) -> dict[str, str]:
    """Return what the middleware has noted of a request, by its span."""
    run = _unsampled.get(span)
    if run is not None:
        return {name: "test", _RUN: run}
    noted: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    # OpenTelemetry sets the first one for the user agents of known bots, too, and then there is no run.
    return {name: str(noted[name]), _RUN: str(noted[_RUN])} if name in noted and _RUN in noted else {}
