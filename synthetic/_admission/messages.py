"""Admission of messages and tasks (docs/protocol.md, "Admission").

A consumer is never an edge: it accepts an expired token for the retention time. A message that is not admitted raises
an error, which the broker's retry or dead-letter handling sees.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

from opentelemetry.context import get_current

from synthetic._admission.decision import Refused
from synthetic._admission.entrance import Entrance
from synthetic._config import in_force
from synthetic._model.marker import Marker
from synthetic._model.verdict import REAL, Real, Received
from synthetic._wire.carrier import Carrier, baggage_in
from synthetic._work.blocks import pop, push
from synthetic._work.carry import for_work
from synthetic._work.state import BLOCKS, VERDICT, abandon, enter, leave
from synthetic.errors import MessageRefused

__all__ = ["AdmittedMessage", "admitted", "are_unmarked", "await_under", "under", "verdict_on", "verdict_on_values"]

R = TypeVar("R")

_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset
_get_blocks = BLOCKS.get

_CONSUMER: Final = Entrance(edge=False, on_unverified="refuse", has_places=False)
_SHEDDING_CONSUMER: Final = Entrance(edge=False, on_unverified="refuse")


def verdict_on(headers: Carrier, *, takes_place: bool = False) -> Real | Received:
    """Return the verdict on a message with these headers. Raises MessageRefused if it is not admitted.

    ``takes_place`` is for a message that is handled next, and that the broker would deliver again later without holding
    up any other. With the setting ``shed="auto"``, it is refused for later if ``shed_limit`` others are being handled.
    """
    return verdict_on_values(baggage_in(headers) if headers else (), takes_place=takes_place)


def verdict_on_values(values: Sequence[str], *, takes_place: bool = False) -> Real | Received:
    """Return the verdict on a message whose ``baggage`` headers have these values.

    ``takes_place`` is that of ``verdict_on``. Raises MessageRefused if the message is not admitted.
    """
    if not values and _CONSUMER.open_under is in_force.config:
        return REAL  # nearly every message
    decision = (_SHEDDING_CONSUMER if takes_place else _CONSUMER).decide(values)
    if isinstance(decision, Refused):
        raise MessageRefused(decision.reason)
    return decision.verdict


def are_unmarked(carriers: Iterable[Carrier]) -> bool:
    """Whether messages with these headers are all real, because none of them has baggage."""
    return _CONSUMER.open_under is in_force.config and not any(headers and baggage_in(headers) for headers in carriers)


class AdmittedMessage:
    """The verdict on one message, in force for a ``with`` block that gives its marker, or None if it is real."""

    __slots__ = ("__weakref__", "_is_entered", "verdict")

    def __init__(self, verdict: Real | Received) -> None:
        self.verdict: Final = verdict
        self._is_entered = False

    def __enter__(self) -> Marker | None:
        if self._is_entered:
            raise RuntimeError("this message is already being handled: admit it again for each handling")
        self._is_entered = True
        work = for_work(self.verdict)
        if isinstance(work, Received) and isinstance(self.verdict, Received):
            work.place, self.verdict.place = self.verdict.place, None
        push(self, work, marks_span=True)
        return self.verdict.marker

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_entered = False
        pop(self)


def under(verdict: Real | Received, handle: Callable[..., R], *args: Any) -> R:
    """Handle one request or message under ``verdict``: return ``handle(*args)``."""
    if verdict is not REAL or get_current():
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            return handle(*args)
        finally:
            leave(entered)
    # The path of nearly every message, so it does nothing else.
    blocks = _get_blocks()
    alone = _set_verdict(REAL)
    try:
        return handle(*args)
    finally:
        _reset_verdict(alone)
        if _get_blocks() is not blocks:
            abandon(blocks)


async def await_under(verdict: Real | Received, handle: Callable[..., Awaitable[R]], *args: Any) -> R:
    """Do the same as ``under`` for a coroutine function."""
    if verdict is not REAL or get_current():
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            return await handle(*args)
        finally:
            leave(entered)
    blocks = _get_blocks()
    alone = _set_verdict(REAL)
    try:
        return await handle(*args)
    finally:
        try:
            _reset_verdict(alone)
        except ValueError:
            pass  # finalised in another context: there is nothing to restore here
        else:
            if _get_blocks() is not blocks:
                abandon(blocks)


def admitted(headers: Carrier) -> AdmittedMessage:
    """Admit a message by its headers, for a ``with`` block that gives its marker, or None if it is real.

    Use it for a consumer that no integration covers. The headers are a mapping or name-value pairs, of text or bytes.
    A message without a marker, or without headers (None), is real, whatever was in force before. An expired token is
    accepted for the retention time, because the work was admitted when it was sent.

    Raises MessageRefused if the marker does not verify, its run is halted, the service cannot take it now, or a marker
    is required and missing. Let the broker see that error.
    """
    return AdmittedMessage(verdict_on(headers))
