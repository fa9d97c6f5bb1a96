"""The mirror of the verdict in the OpenTelemetry context, under a private key.

Thread instrumentation carries that context, but not other context variables. Baggage is the wire format, and is read
only if there is no mirror.
"""

from __future__ import annotations

from typing import Final, cast

from opentelemetry import baggage, context

from synthetic._config.in_force import active
from synthetic._model.verdict import Simulated, Unverified, Verdict
from synthetic._work.claimed import claimed_by_token

__all__ = ["MIRROR", "alone", "is_mirrored", "marked", "marked_unverified", "mirrored", "unmarked", "verdict_in"]

MIRROR: Final = context.create_key("synthetic-verdict")

_BAGGAGE: Final = next(iter(baggage.set_baggage("a", "b", context.Context())))
"""The key under which OpenTelemetry keeps the baggage."""


def verdict_in(present: context.Context) -> Verdict | None:
    """Return the verdict that an OpenTelemetry context holds: the mirror, else what its baggage claims."""
    if not present:
        return None
    mirrored = present.get(MIRROR)
    if mirrored is not None:
        return cast("Verdict", mirrored)  # only this module knows the key
    config = active()
    value = baggage.get_baggage(config.key, present)
    return None if value is None else claimed_by_token(value, config)


def marked(present: context.Context, verdict: Simulated, key: str) -> context.Context:
    """Return ``present`` with the verdict. Its token comes first in the baggage: the end may be cut on the wire."""
    others = {name: value for name, value in baggage.get_all(present).items() if name != key}
    if others:
        present = baggage.clear(present)
    present = baggage.set_baggage(key, verdict.token(), context.set_value(MIRROR, verdict, present))
    for name, value in others.items():
        present = baggage.set_baggage(name, value, present)
    return present


def alone(verdict: Simulated, key: str) -> context.Context:
    """Return an OpenTelemetry context that holds this verdict and nothing else."""
    return context.Context({_BAGGAGE: {key: verdict.token()}, MIRROR: verdict})


def marked_unverified(present: context.Context, verdict: Unverified) -> context.Context:
    """Return ``present`` with the verdict, but without the marker. The verdict keeps it from looking like real work."""
    return context.set_value(MIRROR, verdict, unmarked(present))


def unmarked(present: context.Context) -> context.Context:
    """Return ``present`` without a verdict and without a marker."""
    return baggage.remove_baggage(active().key, context.set_value(MIRROR, None, present))


def mirrored(present: context.Context, verdict: Verdict | None) -> context.Context:
    """Return ``present`` with this verdict, whichever it holds."""
    if isinstance(verdict, Simulated):
        return present if present.get(MIRROR) is verdict else marked(present, verdict, active().key)
    if isinstance(verdict, Unverified):
        return marked_unverified(present, verdict)
    return unmarked(present) if is_mirrored(present) else present


def is_mirrored(present: context.Context) -> bool:
    """Whether ``present`` holds a verdict or a marker."""
    return present.get(MIRROR) is not None or baggage.get_baggage(active().key, present) is not None
