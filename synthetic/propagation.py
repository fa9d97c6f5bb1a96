"""The OpenTelemetry propagator, which verifies every marker that instrumentation extracts.

It is the entry point ``synthetic`` of the group ``opentelemetry_propagator``. Put it after ``baggage``:
``OTEL_PROPAGATORS=tracecontext,baggage,synthetic``. OpenTelemetry loads this module during its own import, so this
module and everything it imports must not import ``opentelemetry.propagate`` or ``opentelemetry.instrumentation``.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from types import FrameType
from typing import Any, Final

from opentelemetry.context import Context, get_current, set_value
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator, default_getter, default_setter

from synthetic._config.in_force import active
from synthetic._model.reason import Reason
from synthetic._model.throttled import ThrottledLog
from synthetic._model.verdict import Received, Unverified
from synthetic._wire.carrier import BAGGAGE
from synthetic._work.claimed import claimed_by
from synthetic._work.mirror import MIRROR, is_mirrored, marked, marked_unverified, unmarked

__all__ = ["SyntheticTrafficPropagator"]

_failures = ThrottledLog()

_INSTRUMENTATION: Final = "opentelemetry.instrumentation."
_BROKERS: Final = frozenset(
    {"aio_pika", "aiokafka", "boto3sqs", "celery", "confluent_kafka", "kafka", "pika", "remoulade"}
)
"""Names of OpenTelemetry's instrumentations that extract the headers of messages."""


class SyntheticTrafficPropagator(TextMapPropagator):
    """Verifies the marker on extract, and removes one that does not verify. It does not control outgoing calls.

    Work whose marker does not verify is neither real nor simulated: guards and instrumented clients raise
    ``UnverifiedMarker``. The propagator does not admit requests. Use the middleware for that: it refuses such requests.

    A halted run does not count. An expired token counts for the retention time in messages of OpenTelemetry's
    instrumentations of brokers, and in everything else if the setting ``edge`` is false.
    """

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """Return ``context`` with the verdict on the carrier's marker. Without a marker, a stale verdict is removed.

        Never raises: if the carrier cannot be read, its work counts as unverified.
        """
        present = get_current() if context is None else context
        try:
            headers = getter.get(carrier, BAGGAGE) or ()
            if not headers:
                return _with(None, present)  # nearly every request
            is_message = partial(_is_message, sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
            return _with(claimed_by(headers, arrives=is_message), present)
        except Exception as error:  # no error may stop the instrumentation that calls this
            _failures.log(
                logging.ERROR,
                type(error).__name__,
                f"a carrier cannot be read, so its work counts as unverified: {error!r}",
            )
            return set_value(MIRROR, Unverified(Reason.MALFORMED), present)

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        """Do nothing. Whether a call may carry the marker depends on its host, which a propagator does not know."""

    @property
    def fields(self) -> set[str]:
        """The header that ``extract`` reads."""
        return {BAGGAGE}


def _is_message(caller: FrameType) -> bool:
    """Whether the carrier belongs to a message: the caller tells, for it is OpenTelemetry's instrumentation."""
    frame = caller
    for _ in range(8):
        name = str(frame.f_globals.get("__name__"))
        if name.startswith(_INSTRUMENTATION):
            return name.removeprefix(_INSTRUMENTATION).partition(".")[0] in _BROKERS
        if frame.f_back is None:
            break
        frame = frame.f_back
    return False


def _with(verdict: Received | Unverified | None, present: Context) -> Context:
    if verdict is None:
        return unmarked(present) if is_mirrored(present) else present
    if isinstance(verdict, Unverified):
        return marked_unverified(present, verdict)
    return marked(present, verdict, active().key)
