"""Verdicts in ``with`` blocks, which may be left in another order than they were entered.

Generators that are advanced in turns do that, in one thread. A context variable alone would then put back a verdict
whose block has ended, and it would stay.
"""

from __future__ import annotations

from synthetic._verdict import BLOCKS, Block, Simulated, Verdict, enter, leave

__all__ = ["pop", "push"]


def push(block: object, verdict: Verdict | None, *, marks_span: bool = False) -> None:
    """Enter ``block``: put ``verdict`` in force, and count it as work."""
    work = [verdict] if isinstance(verdict, Simulated) else []
    level = Block(block, enter(verdict, marks_span=marks_span), work)
    BLOCKS.set((*BLOCKS.get(), level))
    for one in work:
        one.begin()


def pop(block: object) -> None:
    """Leave ``block``. What was in force before it is put back when every block that was entered later is left, too.

    In another context than it was entered in (a generator finalised elsewhere), there is nothing to put back.
    """
    levels = list(BLOCKS.get())
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
    BLOCKS.set(tuple(levels))
