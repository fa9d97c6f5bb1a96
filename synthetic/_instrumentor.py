"""``opentelemetry-instrument python app.py`` switches on what ``synthetic.instrument()`` does, and verifies baggage.

The entry point ``synthetic`` of the group ``opentelemetry_instrumentor``; to leave it out,
``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=synthetic``. An exception in here would end all instrumentation of the program,
so there is none: what goes wrong is logged.
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

from synthetic import _environment_variables, telemetry
from synthetic._instrument import instrument, uninstrument
from synthetic.propagation import SyntheticTrafficPropagator

__all__ = ["SyntheticTrafficInstrumentor"]

_log = logging.getLogger("synthetic")


class SyntheticTrafficInstrumentor(BaseInstrumentor):  # type: ignore[misc] # its module is untyped
    """Instruments what is installed, has extracted baggage verified, and marks spans and log records."""

    _ours: TextMapPropagator | None = None
    _before: TextMapPropagator | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: what is not installed is left out."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        for step in (_environment_variables.apply, instrument, self._verify_baggage, telemetry.setup):
            try:
                step()
            except Exception:
                _log.exception("synthetic-traffic is not wholly switched on")

    def _uninstrument(self, **kwargs: Any) -> None:
        for step in (uninstrument, self._believe_baggage):
            try:
                step()
            except Exception:
                _log.exception("synthetic-traffic is not wholly switched off")

    def _verify_baggage(self) -> None:
        """Put our propagator behind those that there are, unless ``OTEL_PROPAGATORS`` has it there."""
        if "synthetic" in os.environ.get("OTEL_PROPAGATORS", "").replace(" ", "").split(","):
            return
        self._before = propagate.get_global_textmap()
        self._ours = CompositePropagator([self._before, SyntheticTrafficPropagator()])
        propagate.set_global_textmap(self._ours)

    def _believe_baggage(self) -> None:
        if self._before is not None and propagate.get_global_textmap() is self._ours:
            propagate.set_global_textmap(self._before)
        self._ours = self._before = None
