"""The ledger: a stream of every decision on simulated work, each as an ``Outcome``.

Three subscribers are built in: OpenTelemetry counters, an event on the current span, and ``recorded()`` for tests. The
counter ``synthetic.effects`` counts decisions on effects, and ``synthetic.admissions`` those on requests and messages
with a marker. Real work records nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from synthetic._model.action import Action
from synthetic._model.throttled import ThrottledLog
from synthetic._model.totals import Totals

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter

    from synthetic._model.marker import Marker
    from synthetic._model.reason import Reason

__all__ = ["ADMISSION", "Outcome", "Subscriber", "recorded", "subscribe"]

_failures = ThrottledLog()
_lock = threading.Lock()

ADMISSION = "admission"
"""The effect of an outcome that records what was decided on a request or message."""

counts_runs = False
"""Whether the counters have the attribute ``run``. The configuration sets it (``metrics_run``)."""


@dataclass(frozen=True)
class Outcome:
    """One decision on simulated work.

    ``effect`` names the class of side effects, and ``action`` says what was done with it. ``target`` is what was
    guarded: ``module:qualname``, a host, or None. ``marker`` describes the simulated work; it is None if no marker was
    verified. ``reason`` says why a request or message was not admitted, and is None for all other outcomes. ``service``
    is the configured name of this service, or None.

    The effect ``admission`` is a decision on a request or message: ``allow`` if it was admitted as simulated, and
    ``refuse`` otherwise.
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


def subscribe(subscriber: Subscriber, *, admissions: bool = False) -> Callable[[], None]:
    """Call ``subscriber`` with every outcome from now on. Return a function that ends the subscription.

    With ``admissions``, it is also called for each request and message that is admitted as simulated. Without, it is
    called only for those that are not admitted. A subscriber that you add twice is called once.
    """
    global _subscribers, _of_admissions
    with _lock:
        if subscriber not in _subscribers:
            _subscribers = (*_subscribers, subscriber)
        if admissions and subscriber not in _of_admissions:
            _of_admissions = (*_of_admissions, subscriber)

    def unsubscribe() -> None:
        global _subscribers, _of_admissions
        with _lock:
            _subscribers = tuple(other for other in _subscribers if other != subscriber)
            _of_admissions = tuple(other for other in _of_admissions if other != subscriber)

    return unsubscribe


@contextmanager
def recorded(*, admissions: bool = False) -> Generator[list[Outcome], None, None]:
    """Collect the outcomes of a ``with`` block, from all threads, in the list that it gives. Use it in tests.

    ``admissions`` is that of ``subscribe``.
    """
    outcomes: list[Outcome] = []
    record = outcomes.append
    unsubscribe = subscribe(record, admissions=admissions)
    try:
        yield outcomes
    finally:
        unsubscribe()


_is_recording: ContextVar[bool] = ContextVar("synthetic-recording", default=False)


def record(outcome: Outcome) -> None:
    """Call every subscriber with ``outcome``. Outcomes that a subscriber causes are dropped: they would never end."""
    _tell(_subscribers, outcome)


def _tell(subscribers: tuple[Subscriber, ...], outcome: Outcome) -> None:
    if _is_recording.get():
        return
    recording = _is_recording.set(True)
    try:
        for subscriber in subscribers:
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


def record_admission(marker: Marker, service: str | None) -> None:
    """Record that a request or message was admitted as simulated.

    There is one for each simulated request, so an outcome is made only if a subscriber has asked for it.
    """
    if _count_simulated is None or counts_runs or _of_admissions:
        _record_admission(marker, service)
    else:
        _count_simulated()  # the path of nearly every one


_count_simulated: Callable[[], object] | None = None


def _record_admission(marker: Marker, service: str | None) -> None:
    global _count_simulated
    try:
        admissions = _admissions()
        _count_simulated = admissions.of(("simulated", None, None)).add
        admissions.of(("simulated", None, marker.run if counts_runs else None)).add()
    except Exception as error:  # a meter provider that fails must not harm the request
        _failures.log(logging.ERROR, ADMISSION, "an admission was not counted", exc_info=error)
    if _of_admissions:
        _tell(_of_admissions, Outcome(ADMISSION, Action.ALLOW, marker, None, None, service))


def _count(outcome: Outcome) -> None:
    run = outcome.marker.run if counts_runs and outcome.marker is not None else None
    reason = outcome.reason
    if reason is None:
        _effects().add(1, _present(effect=outcome.effect, action=outcome.action.value, run=run))
    else:
        _admissions().of(("later" if reason.is_later else "refused", reason.value, run)).add()


def _present(**attributes: str | None) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value is not None}


@lru_cache(maxsize=1)
def _effects() -> Counter:
    from opentelemetry import metrics

    return metrics.get_meter("synthetic").create_counter(
        "synthetic.effects", unit="{effect}", description="Decisions on the side effects of simulated work."
    )


_Admission = tuple[str, "str | None", "str | None"]
"""The attributes of an admission: verdict, reason, run."""


@lru_cache(maxsize=1)
def _admissions() -> Totals[_Admission]:
    from opentelemetry import metrics

    totals: Totals[_Admission] = Totals()

    def observe(options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        for (verdict, reason, run), total in totals.items():
            yield metrics.Observation(total, _present(verdict=verdict, reason=reason, run=run))

    metrics.get_meter("synthetic").create_observable_counter(
        "synthetic.admissions",
        callbacks=[observe],
        unit="{admission}",
        description="Decisions on requests and messages that carry a marker, or lack a required one.",
    )
    return totals


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
_of_admissions: tuple[Subscriber, ...] = ()
