"""Verdicts in ``with`` blocks, which may end in another order than they began.

Generators that take turns in one thread do that. A context variable alone would then restore the verdict of a block
that has ended, and would keep it.
"""

from __future__ import annotations

from synthetic._model.verdict import Simulated, Verdict
from synthetic._work.state import BLOCKS, Block, enter, here, leave

__all__ = ["pop", "push"]


def push(block: object, verdict: Verdict | None, *, marks_span: bool = False) -> None:
    """Enter ``block``: put ``verdict`` in force, and count it as work."""
    work = [verdict] if isinstance(verdict, Simulated) else []
    level = Block(block, enter(verdict, marks_span=marks_span), here(), work)
    BLOCKS.set((*BLOCKS.get(), level))
    for one in work:
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
        return
    if left.work:
        left.work.pop().end()
    while levels and levels[-1].is_left:
        leave(levels.pop().how)
    BLOCKS.set(tuple(levels))
