"""The verdict in force: real, simulated or unverified; None if nothing was decided.

It is kept in a context variable and mirrored in the OpenTelemetry context, because each gets lost where the other does
not: server instrumentation replaces the OpenTelemetry context, and thread instrumentation carries only that.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import NamedTuple

from opentelemetry import baggage, context

from synthetic._config.in_force import active
from synthetic._model.marker import Marker
from synthetic._model.verdict import REAL, Simulated, Unverified, Verdict
from synthetic._work.attributes import mark_span
from synthetic._work.mirror import MIRROR, alone, is_mirrored, marked, marked_unverified, unmarked, verdict_in
from synthetic.errors import UnverifiedMarker

__all__ = [
    "BLOCKS",
    "VERDICT",
    "Block",
    "Entered",
    "abandon",
    "current",
    "current_verdict",
    "enter",
    "is_synthetic",
    "leave",
    "marker_of",
]

VERDICT: ContextVar[Verdict | None] = ContextVar("synthetic-verdict", default=None)

_get_verdict = VERDICT.get
_set_verdict = VERDICT.set
_reset_verdict = VERDICT.reset
_get_current = context.get_current


def is_synthetic() -> bool:
    """Return True for simulated work; False for real work, and if nothing was decided.

    Raises UnverifiedMarker if the work carries a marker that cannot be verified.
    """
    verdict = _get_verdict()
    if verdict is REAL:
        return False
    if verdict is None:
        verdict = verdict_in(_get_current())
        if verdict is None:
            return False
    return verdict.is_simulated or marker_of(verdict) is not None


def current() -> Marker | None:
    """Return the marker of the simulated work that this code is part of; None for real work.

    Raises UnverifiedMarker if the work carries a marker that cannot be verified.
    """
    return marker_of(_get_verdict() or verdict_in(_get_current()))


def current_verdict() -> Verdict | None:
    """Return the verdict in force; None if nothing was decided, which counts as real."""
    return _get_verdict() or verdict_in(_get_current())


def marker_of(verdict: Verdict | None) -> Marker | None:
    """Return the marker of work with this verdict; None if it is real or undecided. Raises UnverifiedMarker."""
    if verdict is None:
        return None
    if isinstance(verdict, Unverified):
        raise UnverifiedMarker(verdict.reason)
    return verdict.marker


class Block(NamedTuple):
    """A ``with`` block that the work is in."""

    block: object
    how: Entered
    work: list[Simulated]
    """The verdict that counts as work until the block is left, in any copy of its context."""
    is_left: bool = False


BLOCKS: ContextVar[tuple[Block, ...]] = ContextVar("synthetic-blocks", default=())
"""The blocks that the work is in. The blocks themselves do not know, because threads and tasks may share them."""

_get_blocks = BLOCKS.get

Entered = tuple["Token[Verdict | None]", "Token[context.Context] | None", Simulated | None, "tuple[Block, ...] | None"]
"""What ``leave`` needs: the tokens that reset the context variable and, if it was changed, OpenTelemetry's context; the
verdict whose work ends; and the blocks that the work was in."""


def enter(verdict: Verdict | None, *, is_work: bool = False, marks_span: bool = False) -> Entered:
    """Put ``verdict`` in force; None means that nothing is decided. ``leave`` restores the verdict from before.

    For work that is not simulated, the OpenTelemetry context changes only if it holds a verdict or a marker. With
    ``is_work``, a piece of work with this verdict begins here. It ends with ``leave``, as does every block that was
    entered in between. With ``marks_span``, the current span is marked: it began before the verdict was known.
    """
    present = _get_current()
    blocks = _get_blocks() if is_work else None
    if verdict is REAL and not present:
        return _set_verdict(REAL), None, None, blocks  # nearly always
    if isinstance(verdict, Simulated):
        key = active().key
        work = verdict if is_work else None
        entered: Entered
        if present.get(MIRROR) is verdict and baggage.get_baggage(key, present) == verdict.token():
            entered = _set_verdict(verdict), None, work, blocks  # another library has carried it here
        else:
            otel = marked(present, verdict, key) if present else alone(verdict, key)
            entered = _set_verdict(verdict), context.attach(otel), work, blocks
        if work is not None:
            work.begin()
        if present and marks_span:
            mark_span(verdict)
        return entered
    if isinstance(verdict, Unverified):
        return _set_verdict(verdict), context.attach(marked_unverified(present, verdict)), None, blocks
    if present and is_mirrored(present):
        return _set_verdict(verdict), context.attach(unmarked(present)), None, blocks
    return _set_verdict(verdict), None, None, blocks


def leave(entered: Entered) -> bool:
    """Restore the verdict from before ``enter``; return whether that was possible.

    In another context than that of ``enter`` (a generator finalised elsewhere), there is nothing to restore.
    """
    verdict, otel, work, blocks = entered
    if work is not None:
        work.end()
    try:
        _reset_verdict(verdict)
    except ValueError:
        return False
    if blocks is not None and _get_blocks() is not blocks:
        abandon(blocks)
    if otel is not None:
        context.detach(otel)
    return True


def abandon(blocks: tuple[Block, ...]) -> None:
    """Forget the blocks that were entered after ``blocks`` and were not left when the work ended.

    A suspended generator holds them. It may end in the middle of other work, whose verdict it must not replace.
    """
    present = _get_blocks()
    if len(present) <= len(blocks):
        return
    for forgotten in reversed(present[len(blocks) :]):
        if forgotten.work:
            forgotten.work.pop().end()
        if forgotten.how[1] is not None:
            context.detach(forgotten.how[1])
    BLOCKS.set(blocks)
