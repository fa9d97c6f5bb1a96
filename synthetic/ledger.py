"""The ledger: a stream of every decision on simulated work, each as an ``Outcome``.

Three subscribers are built in: the OpenTelemetry counter ``synthetic.effects``, an event on the current span, and
``recorded()`` for tests. Real work records nothing.
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

from synthetic._model.action import Action
from synthetic._model.throttled import ThrottledLog

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter

    from synthetic._model.marker import Marker
    from synthetic._model.reason import Reason

__all__ = ["ADMISSION", "Outcome", "Subscriber", "recorded", "subscribe"]

_failures = ThrottledLog()
_lock = threading.Lock()

ADMISSION = "admission"
"""The effect of an outcome that records a request or message that was not admitted."""


@dataclass(frozen=True)
class Outcome:
    """One decision on simulated work.

    ``effect`` names the class of side effects, and ``action`` says what was done with it. ``target`` is what was
    guarded: ``module:qualname``, a host, or None. ``marker`` describes the simulated work; it is None if no marker was
    verified. ``reason`` says why a request or message was not admitted, and the effect is then ``admission``; it is
    None for all other outcomes. ``service`` is the configured name of this service, or None.
    """

    effect: str
    action: Action
    marker: Marker | None = None
    target: str | None = None
    reason: Reason | None = None
    service: str | None = None


class Subscriber(Protocol):
    """A callable that receives outcomes, in the thread of the work. An error in it is logged and goes no further."""

    def __call__(self, outcome: Outcome, /) -> object:
        """Receive ``outcome``."""
        ...


def subscribe(subscriber: Subscriber) -> Callable[[], None]:
    """Call ``subscriber`` with every outcome from now on. Return a function that ends the subscription.

    A subscriber that you add twice is called once.
    """
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
    """Collect the outcomes of a ``with`` block, from all threads, in the list that it gives. Use it in tests."""
    outcomes: list[Outcome] = []
    record = outcomes.append
    unsubscribe = subscribe(record)
    try:
        yield outcomes
    finally:
        unsubscribe()


_is_recording: ContextVar[bool] = ContextVar("synthetic-recording", default=False)


def record(outcome: Outcome) -> None:
    """Call every subscriber with ``outcome``. Outcomes that a subscriber causes are dropped: they would never end."""
    if _is_recording.get():
        return
    recording = _is_recording.set(True)
    try:
        for subscriber in _subscribers:
            try:
                subscriber(outcome)
            except Exception as error:  # a failing subscriber must not harm the request
                _failures.log(
                    logging.ERROR, repr(subscriber), f"the ledger subscriber {subscriber!r} failed", exc_info=error
                )
    finally:
        _is_recording.reset(recording)


def record_refusal(reason: Reason, marker: Marker | None, service: str | None) -> None:
    """Record that a request or message was not admitted."""
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
        description="Decisions on the side effects of simulated work, and on markers that were not admitted.",
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
