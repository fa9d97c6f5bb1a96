"""A patch on OpenTelemetry's baggage propagator, which several integrations share."""

from __future__ import annotations

import threading
from functools import wraps
from typing import Any, Final

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import get_current
from opentelemetry.propagators.textmap import default_setter

from synthetic._config.in_force import active
from synthetic._egress.injected import baggage_pairs, note_injection
from synthetic._instrument.patches import IsOn, Patch
from synthetic._model.verdict import REAL
from synthetic._work.mirror import mirrored
from synthetic._work.state import VERDICT, InHand, current_verdict

__all__ = ["noting_injections"]

_get_verdict = VERDICT.get


def _noting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``W3CBaggagePropagator.inject``, to know into which objects it writes a marker.

    The end of a span restores OpenTelemetry's context from before it. In a worker, that may be the context of an
    earlier job. So a worker injects the marker of the job that it has in hand, and no other.
    """

    @wraps(original)
    def inject(self: Any, carrier: Any, context: Any = None, setter: Any = default_setter) -> None:
        verdict = _get_verdict()
        if verdict.__class__ is InHand and is_on() and (context is None or context is get_current()):
            context = mirrored(get_current(), current_verdict())
        before = None if verdict is REAL or not is_on() else _held(carrier, context)
        original(self, carrier, context, setter)
        if before is not None:
            note_injection(carrier, before)

    return inject


def _held(carrier: Any, context: Any) -> list[tuple[Any, Any]] | None:
    """Return the baggage that ``carrier`` holds; None if no marker comes into it."""
    try:
        key = active().key
        return None if baggage.get_baggage(key, context) is None else baggage_pairs(carrier)
    except Exception:  # an odd carrier: nothing is noted, and its instrumentation goes on
        return None


class _Shared:
    """A patch that stays as long as one integration needs it."""

    def __init__(self, patch: Patch) -> None:
        self._patch = patch
        self._users = 0
        self._lock = threading.Lock()

    def put_on(self) -> None:
        with self._lock:
            self._users += 1
            self._patch.put_on()

    def take_off(self) -> None:
        with self._lock:
            self._users = max(0, self._users - 1)
            if not self._users:
                self._patch.take_off()


class _Use:
    """One integration's use of a shared patch."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._is_on = False

    def put_on(self) -> None:
        if not self._is_on:
            self._is_on = True
            self._shared.put_on()

    def take_off(self) -> None:
        if self._is_on:
            self._is_on = False
            self._shared.take_off()


_INJECTIONS: Final = _Shared(Patch(W3CBaggagePropagator, "inject", _noting))


def noting_injections() -> _Use:
    """Return a patch for an integration: with it, ``is_injected`` and ``forget_injected`` know what they ask."""
    return _Use(_INJECTIONS)
