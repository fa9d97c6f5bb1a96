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
    verdict: Verdict | None
    how: Entered
    is_left: bool = False


_entered: ContextVar[tuple[_Level, ...]] = ContextVar("synthetic-entered", default=())
"""The blocks that the work at hand is in. Not kept on the blocks, which threads and tasks may share."""


def push(block: object, verdict: Verdict | None, *, marks_span: bool = False) -> None:
    """Enter ``block``: put ``verdict`` in force, and count it as work."""
    level = _Level(block, verdict, enter(verdict, marks_span=marks_span))
    _entered.set((*_entered.get(), level))
    if isinstance(verdict, Simulated):
        verdict.begin()


def pop(block: object) -> None:
    """Leave ``block``. What was in force before it is put back when every block that was entered later is left, too.

    In another context than it was entered in (a generator finalised elsewhere), there is nothing to put back.
    """
    levels = list(_entered.get())
    for position in reversed(range(len(levels))):
        if levels[position].block is block and not levels[position].is_left:
            levels[position] = levels[position]._replace(is_left=True)
            break
    else:
        return
    while levels and levels[-1].is_left:
        _, verdict, how, _ = levels.pop()
        if leave(how) and isinstance(verdict, Simulated):
            verdict.end()
    _entered.set(tuple(levels))
