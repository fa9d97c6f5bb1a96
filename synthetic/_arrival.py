"""Messages and tasks at the door: ``admitted`` puts their verdict in force (PROTOCOL, "Admission").

A consumer is never an edge: what was admitted once stays simulated for the retention time. What is not admitted is an
error, for the retry or dead-letter handling of the broker to see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

from opentelemetry.context import get_current

from synthetic import _config
from synthetic._admission import Entrance, admit
from synthetic._carrier import Carrier, baggage_in
from synthetic._marker import Marker
from synthetic._nesting import pop, push
from synthetic._verdict import BLOCKS, REAL, VERDICT, Real, Received, abandon, enter, leave
from synthetic.errors import MessageRefused

__all__ = ["CONSUMER", "Admitted", "admitted", "arrive", "arrive_with", "under"]

R = TypeVar("R")

_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset
_get_blocks = BLOCKS.get

CONSUMER: Final = Entrance(edge=False, on_unverified="refuse")


def arrive(values: Sequence[str]) -> Real | Received:
    """Return the verdict on a message whose ``baggage`` headers have these values. Raises MessageRefused."""
    config = _config.in_force or _config.active()
    if not values and not CONSUMER.must_be_marked(config):
        return REAL
    return _judged(values, config)


def arrive_with(headers: Carrier) -> Real | Received:
    """Return the verdict on a message with these headers. Raises MessageRefused."""
    # All of the above once more: nearly every message is real, and pays for each call.
    values = baggage_in(headers) if headers else ()
    config = _config.in_force or _config.active()
    if not values and not CONSUMER.must_be_marked(config):
        return REAL
    return _judged(values, config)


def _judged(values: Sequence[str], config: _config.Configuration) -> Real | Received:
    verdict, reason, _ = admit(values, CONSUMER, config)
    if verdict is None:
        assert reason is not None  # there is no verdict for one of these
        raise MessageRefused(reason)
    return verdict


class Admitted:
    """A verdict to put in force, for the handling of one message, in a ``with`` block."""

    __slots__ = ("_is_entered", "verdict")

    def __init__(self, verdict: Real | Received) -> None:
        self.verdict: Final = verdict
        self._is_entered = False

    def __enter__(self) -> Marker | None:
        if self._is_entered:
            raise RuntimeError("this message is being handled already: admit it anew for each handling")
        self._is_entered = True
        push(self, self.verdict, marks_span=True)
        return self.verdict.marker

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_entered = False
        pop(self)


def under(verdict: Real | Received, handle: Callable[..., R], *args: Any) -> R:
    """Call what handles one message under the verdict on it."""
    if verdict is not REAL or get_current():
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            return handle(*args)
        finally:
            leave(entered)
    # Nearly every message comes this way, and pays for nothing else.
    blocks = _get_blocks()
    alone = _set_verdict(REAL)
    try:
        return handle(*args)
    finally:
        _reset_verdict(alone)
        if _get_blocks() is not blocks:
            abandon(blocks)


def admitted(headers: Carrier) -> Admitted:
    """Admit a message by its headers, for the length of a ``with`` block, which gives its marker or None.

    For any consumer that no integration covers. The headers are a mapping or name-value pairs, of text or bytes; a
    message without any marker, or without headers (None), is real, whatever was in force before. Raises
    MessageRefused where the marker does not verify, was halted, or can't be taken now: let the broker see that error.
    An expired token is good for the retention time, for the work was admitted when it was sent.
    """
    return Admitted(arrive_with(headers))
