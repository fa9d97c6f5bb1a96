"""Verdicts in ``with`` blocks, which may be left in another order than they were entered.

Generators that are advanced in turns do that, in one thread. A context variable alone would then put back a verdict
whose block has ended, and it would stay.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple

from synthetic._verdict import Entered, Simulated, Verdict, enter, leave

__all__ = ["pop", "push"]


class _Level(NamedTuple):
    block: object
    how: Entered
    work: list[Simulated]
    """The verdict that counts as work, until the block is left: in whichever copy of its context that is."""
    is_left: bool = False


_entered: ContextVar[tuple[_Level, ...]] = ContextVar("synthetic-entered", default=())
"""The blocks that the work at hand is in. Not kept on the blocks, which threads and tasks may share."""


def push(block: object, verdict: Verdict | None, *, marks_span: bool = False) -> None:
    """Enter ``block``: put ``verdict`` in force, and count it as work."""
    work = [verdict] if isinstance(verdict, Simulated) else []
    level = _Level(block, enter(verdict, marks_span=marks_span), work)
    _entered.set((*_entered.get(), level))
    for one in work:
        one.begin()


def pop(block: object) -> None:
    """Leave ``block``. What was in force before it is put back when every block that was entered later is left, too.

    In another context than it was entered in (a generator finalised elsewhere), there is nothing to put back.
    """
    levels = list(_entered.get())
    for position in reversed(range(len(levels))):
        left = levels[position]
        if left.block is block and not left.is_left:
            levels[position] = left._replace(is_left=True)
            break
    else:
        return
    if left.work:
        left.work.pop().end()
    while levels and levels[-1].is_left:
        leave(levels.pop().how)
    _entered.set(tuple(levels))
