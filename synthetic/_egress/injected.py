"""What OpenTelemetry's instrumentation writes into the caller's own objects: into a prepared request, for example.

The caller may keep such an object and send it again, for other work. The marker must not go along then, unless the
caller has put it there. So this remembers into which objects OpenTelemetry has written a marker, and what they held.
"""

from __future__ import annotations

from typing import Any, Final

from synthetic._wire.carrier import baggage_in, is_baggage
from synthetic._wire.memory import Memory

__all__ = ["baggage_pairs", "forget_injected", "is_injected", "note_injection"]

Pairs = list[tuple[Any, Any]]

_noted: Final = Memory[int, tuple[Any, Pairs]](256)
"""By identity: the object, and the ``baggage`` that it held before."""


def note_injection(carrier: Any, before: Pairs) -> None:
    """Note that OpenTelemetry has written a marker into ``carrier``, which held the headers ``before``."""
    _noted.remember(id(carrier), (carrier, before))


def is_injected(carrier: Any) -> bool:
    """Return whether OpenTelemetry has written a marker into ``carrier``."""
    known = _noted.get(id(carrier))
    return known is not None and known[0] is carrier


def baggage_pairs(carrier: Any) -> Pairs:
    """Return the ``baggage`` headers of a mapping or a list of pairs, as they stand there."""
    pairs: Any = carrier.items() if hasattr(carrier, "items") else carrier
    return [(name, value) for name, value in pairs if is_baggage(name)]


def forget_injected(carrier: Any) -> None:
    """Give ``carrier`` the ``baggage`` back that it held before OpenTelemetry wrote a marker into it.

    Call it when the call has been made, or when its headers were copied. Any other object stays as it is.
    """
    if not is_injected(carrier):
        return
    _, before = _noted.get(id(carrier)) or (None, [])
    _noted.forget(id(carrier))
    if not baggage_in(carrier) and not before:
        return
    if isinstance(carrier, list):
        pairs: Any = carrier  # pyright: ignore[reportUnknownVariableType]
        pairs[:] = [pair for pair in pairs if not is_baggage(pair[0])] + before
        return
    for name in [name for name in carrier if is_baggage(name)]:
        del carrier[name]
    for name, value in before:
        carrier[name] = value
