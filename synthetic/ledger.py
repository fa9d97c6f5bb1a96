"""The ledger: every decision on simulated work as an ``Outcome``, for whoever subscribes.

Three subscribers are built in: the OpenTelemetry counter ``synthetic.effects``, an event on the current span, and
``recorded()`` for tests. Real work emits nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter

    from synthetic._marker import Marker
    from synthetic._policy import Action
    from synthetic._reason import Reason

__all__ = ["ADMISSION", "Outcome", "Subscriber", "recorded", "subscribe"]

_log = logging.getLogger("synthetic")
_lock = threading.Lock()

ADMISSION = "admission"
"""The effect of an outcome that stands for a request that was not admitted."""


@dataclass(frozen=True)
class Outcome:
    """One decision as it happened.

    ``effect`` names the class of side effects, ``action`` what was done with it, ``target`` what was guarded
    (``module:qualname``, a host, or None). ``marker`` is who simulates, or None where the claim did not verify.
    ``reason`` is set for a request that was refused or sent away for later: its effect is ``admission``. ``service`` is
    the configured name of this service, or None.
    """

    effect: str
    action: Action
    marker: Marker | None = None
    target: str | None = None
    reason: Reason | None = None
    service: str | None = None


class Subscriber(Protocol):
    """Whoever wants to know of outcomes. Called in the thread of the work; an error is logged and goes no further."""

    def __call__(self, outcome: Outcome, /) -> object:
        """Take note of ``outcome``."""
        ...


def subscribe(subscriber: Subscriber) -> Callable[[], None]:
    """Hand every outcome from now on to ``subscriber``; return what ends that. Subscribing twice counts once."""
    global _subscribers
    with _lock:
        if subscriber not in _subscribers:
            _subscribers = (*_subscribers, subscriber)

    def unsubscribe() -> None:
        global _subscribers
        with _lock:
            _subscribers = tuple(other for other in _subscribers if other != subscriber)

    return unsubscribe


@contextmanager
def recorded() -> Generator[list[Outcome], None, None]:
    """Collect the outcomes of a ``with`` block, from all threads: for tests."""
    outcomes: list[Outcome] = []
    record = outcomes.append
    unsubscribe = subscribe(record)
    try:
        yield outcomes
    finally:
        unsubscribe()


_is_recording: ContextVar[bool] = ContextVar("synthetic-recording", default=False)


def record(outcome: Outcome) -> None:
    """Hand ``outcome`` to every subscriber. What a subscriber does itself is not recorded: it would have no end."""
    if _is_recording.get():
        return
    recording = _is_recording.set(True)
    try:
        for subscriber in _subscribers:
            try:
                subscriber(outcome)
            except Exception:  # a failing subscriber never harms the request
                _log.exception("the ledger's subscriber %r failed", subscriber)
    finally:
        _is_recording.reset(recording)


def record_refusal(reason: Reason, marker: Marker | None, service: str | None) -> None:
    """Record that a request was not admitted."""
    from synthetic._policy import Action

    record(Outcome(ADMISSION, Action.REFUSE, marker, None, reason, service))


def _count(outcome: Outcome) -> None:
    attributes = {"effect": outcome.effect, "action": outcome.action.value}
    if outcome.reason is not None:
        attributes["reason"] = outcome.reason.value
    _counter().add(1, attributes)


@lru_cache(maxsize=1)
def _counter() -> Counter:
    from opentelemetry import metrics

    return metrics.get_meter("synthetic").create_counter(
        "synthetic.effects",
        unit="{effect}",
        description="What was done with the effects of simulated work, and with markers that were not admitted.",
    )


def _add_event(outcome: Outcome) -> None:
    from opentelemetry import trace

    span = trace.get_current_span()
    if span.is_recording():
        facts = {
            "effect": outcome.effect,
            "action": outcome.action.value,
            "target": outcome.target,
            "reason": outcome.reason and outcome.reason.value,
        }
        present = {f"synthetic.{name}": value for name, value in facts.items() if value is not None}
        span.add_event("synthetic.effect", present)


_subscribers: tuple[Subscriber, ...] = (_count, _add_event)
