"""The OpenTelemetry propagator, which verifies every marker that instrumentation extracts.

It is the entry point ``synthetic`` of the group ``opentelemetry_propagator``. Put it after ``baggage``:
``OTEL_PROPAGATORS=tracecontext,baggage,synthetic``. OpenTelemetry loads this module during its own import, so this
module and everything it imports must not import ``opentelemetry.propagate`` or ``opentelemetry.instrumentation``.
"""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry.context import Context, get_current, set_value
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator, default_getter, default_setter

from synthetic._config.in_force import active
from synthetic._model.reason import Reason
from synthetic._model.verdict import Received, Unverified
from synthetic._wire.carrier import BAGGAGE
from synthetic._work.claimed import claimed_by
from synthetic._work.mirror import MIRROR, is_mirrored, marked, marked_unverified, unmarked

__all__ = ["SyntheticTrafficPropagator"]

_log = logging.getLogger("synthetic")


class SyntheticTrafficPropagator(TextMapPropagator):
    """Verifies the marker on extract, and removes one that does not verify. It does not control outgoing calls.

    Work whose marker does not verify is neither real nor simulated: guards and instrumented clients raise
    ``UnverifiedMarker``. The propagator does not admit requests. Use the middleware for that: it refuses such requests.
    """

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """Return ``context`` with the verdict on the carrier's marker. Without a marker, a stale verdict is removed.

        Never raises: if the carrier cannot be read, its work counts as unverified.
        """
        present = get_current() if context is None else context
        try:
            headers = getter.get(carrier, BAGGAGE) or ()
            return _with(claimed_by(headers), present)
        except Exception as error:  # no error may stop the instrumentation that calls this
            _log.error("a carrier cannot be read, so its work counts as unverified: %r", error)
            return set_value(MIRROR, Unverified(Reason.MALFORMED), present)

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        """Do nothing. Whether a call may carry the marker depends on its host, which a propagator does not know."""

    @property
    def fields(self) -> set[str]:
        """The header that ``extract`` reads."""
        return {BAGGAGE}


def _with(verdict: Received | Unverified | None, present: Context) -> Context:
    if verdict is None:
        return unmarked(present) if is_mirrored(present) else present
    if isinstance(verdict, Unverified):
        return marked_unverified(present, verdict)
    return marked(present, verdict, active().key)
