"""Verdicts in ``with`` blocks, which may end in another order than they began.

Generators that take turns in one thread do that. A context variable alone would then restore the verdict of a block
that has ended, and would keep it.
"""

from __future__ import annotations

from contextvars import Token
from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry import context

from synthetic._model.verdict import Simulated, Unverified, Verdict
from synthetic._work.state import BLOCKS, VERDICT, Block, enter, here, leave

__all__ = ["pop", "push"]

_NO_WORK: Final[list[Simulated]] = []

_begun: Final[WeakKeyDictionary[object, dict[int, list[Simulated]]]] = WeakKeyDictionary()
"""The simulated work of each block, by its identity: of each time that the block was entered and not left. Work that
has ended with the work around it is empty."""


def push(block: object, verdict: Verdict | None, *, marks_span: bool = False) -> None:
    """Enter ``block``: put ``verdict`` in force, and count it as work."""
    work = [verdict] if isinstance(verdict, Simulated) else _NO_WORK
    level = Block(block, enter(verdict, marks_span=marks_span), here(), work)
    BLOCKS.set((*BLOCKS.get(), level))
    for one in work:
        _begun.setdefault(block, {})[id(work)] = work
        one.begin()


def pop(block: object) -> None:
    """Leave ``block``. The verdict from before is restored once every block that was entered later is left too.

    In another context than that of ``push`` (a generator finalised elsewhere), there is nothing to restore.
    """
    levels = list(BLOCKS.get())
    for position in reversed(range(len(levels))):
        left = levels[position]
        if left.block is block and not left.is_left:
            levels[position] = left._replace(is_left=True)
            break
    else:
        _end_elsewhere(_begun.get(block, {}))
        return
    if left.work is not _NO_WORK:
        _begun.get(block, {}).pop(id(left.work), None)
        if left.work:
            left.work.pop().end()
    while levels and levels[-1].is_left:
        over = levels.pop()
        if not leave(over.how):
            _restore(over)
    BLOCKS.set(tuple(levels))


def _end_elsewhere(begun: dict[int, list[Simulated]]) -> None:
    """End the work of a block that is left in a context that does not know the block.

    Nothing tells which time it was entered is over if several threads or tasks are in it. Then all of their work ends:
    it is refused from now on, while work that is over must not stay simulated.
    """
    present = list(begun.items())
    over = [key for key, work in present if not work]
    if over:
        begun.pop(over[0], None)
        return
    for key, work in present:
        begun.pop(key, None)
        while work:
            work.pop().end()


def _restore(level: Block) -> None:
    """Put the verdict from before a block into force, in a copy of its context.

    A library that copies its changes back (asgiref) enters and leaves a block in copies. But a task or thread that the
    block has started may leave it, too: that gets no verdict back which would make it real.
    """
    verdict, otel, *_ = level.how
    before = None if verdict.old_value is Token.MISSING else verdict.old_value
    if level.owner == here() or isinstance(before, (Simulated, Unverified)):
        VERDICT.set(before)
        if otel is not None:
            context.attach(context.Context() if otel.old_value is Token.MISSING else otel.old_value)
