"""``opentelemetry-instrument python app.py`` calls ``synthetic.instrument()`` and verifies extracted baggage.

This is the entry point ``synthetic`` of the group ``opentelemetry_instrumentor``. To disable it, set
``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=synthetic``. An exception here would end all instrumentation of the program, so
every error is logged instead.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from typing import Any

from opentelemetry import propagate
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator

from synthetic import telemetry
from synthetic._instrument import otel_variables
from synthetic._instrument.instrument import instrument, uninstrument
from synthetic.propagation import SyntheticTrafficPropagator

__all__ = ["SyntheticTrafficInstrumentor"]

_log = logging.getLogger("synthetic")


class SyntheticTrafficInstrumentor(BaseInstrumentor):  # type: ignore[misc] # its module is untyped
    """Instruments the installed products, verifies extracted baggage, and marks spans and log records."""

    _ours: TextMapPropagator | None = None
    _before: TextMapPropagator | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: products that are not installed are left out."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        for step in (otel_variables.apply, instrument, self._verify_baggage, telemetry.setup):
            try:
                step()
            except Exception:
                _log.exception("synthetic-traffic is only partly enabled")

    def _uninstrument(self, **kwargs: Any) -> None:
        for step in (uninstrument, self._believe_baggage):
            try:
                step()
            except Exception:
                _log.exception("synthetic-traffic is only partly disabled")

    def _verify_baggage(self) -> None:
        """Add the propagator after the existing ones, unless ``OTEL_PROPAGATORS`` names it."""
        if "synthetic" in os.environ.get("OTEL_PROPAGATORS", "").replace(" ", "").split(","):
            return
        self._before = propagate.get_global_textmap()
        self._ours = CompositePropagator([self._before, SyntheticTrafficPropagator()])
        propagate.set_global_textmap(self._ours)

    def _believe_baggage(self) -> None:
        if self._before is not None and propagate.get_global_textmap() is self._ours:
            propagate.set_global_textmap(self._before)
        self._ours = self._before = None
