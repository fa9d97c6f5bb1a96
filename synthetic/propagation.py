"""The OpenTelemetry propagator: whatever instrumentation extracts, only a marker that verifies is believed.

The entry point ``synthetic`` of the group ``opentelemetry_propagator``, to come after ``baggage``:
``OTEL_PROPAGATORS=tracecontext,baggage,synthetic``. OpenTelemetry loads it while it is being imported itself; so this
module, and what it imports, takes nothing of ``opentelemetry.propagate`` or ``opentelemetry.instrumentation``.
"""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry import baggage
from opentelemetry.context import Context, get_current, set_value
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator, default_getter, default_setter

from synthetic._admission import judged
from synthetic._carrier import NAME
from synthetic._config import active
from synthetic._reason import Reason
from synthetic._verdict import MIRROR, Received, Unverified, marked, unmarked

__all__ = ["SyntheticTrafficPropagator"]

_log = logging.getLogger("synthetic")


class SyntheticTrafficPropagator(TextMapPropagator):
    """Verifies on extract, and removes what does not verify. What is injected is the baggage propagator's business.

    Work whose marker does not verify is known neither as simulated nor as real: guards raise ``UnverifiedMarker``, as
    does every instrumented client. It is no admission: put the middleware at the door, which refuses such requests.
    """

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """Return ``context`` with the verdict on what the carrier has; a stale one goes where it has nothing."""
        present = get_current() if context is None else context
        try:
            headers = getter.get(carrier, NAME) or ()
            return _with(judged(headers, active()), present)
        except Exception as error:  # whatever it is, the instrumentation that asks must go on
            _log.error("a carrier cannot be read; its work counts as unverified: %r", error)
            return set_value(MIRROR, Unverified(Reason.MALFORMED), present)

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        """Do nothing: which host it goes to decides whether a marker goes along, and nobody can know that here."""

    @property
    def fields(self) -> set[str]:
        """The header that is read."""
        return {NAME}


def _with(verdict: Received | Unverified | None, present: Context) -> Context:
    if verdict is None:
        key = active().key
        is_stale = present.get(MIRROR) is not None or baggage.get_baggage(key, present) is not None
        return unmarked(present) if is_stale else present
    if isinstance(verdict, Unverified):
        return set_value(MIRROR, verdict, unmarked(present))
    return marked(present, verdict, active().key)
