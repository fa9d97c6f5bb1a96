"""What the worker of a queue of jobs has in hand: the job that it has taken, under the verdict of whoever put it there.

Only a worker that waits for one item itself gets the verdict on it. Everything else that takes a simulated item, or
takes any item while it may handle a simulated one, has a verdict that nobody can tell, and is refused.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from synthetic._model.verdict import OUTLIVED, REAL, Simulated, Unverified, Verdict
from synthetic._work.state import BLOCKS, VERDICT, InHand, current_verdict, here, settle

__all__ = ["ask", "held", "modules_on_stack", "put_down", "take"]

_HANDLERS: Final = ("synthetic.asgi", "synthetic.wsgi", "synthetic._admission.messages")
"""Modules whose frames are on the stack while work is handled. A worker that this work has started has none of them."""

held = threading.local()
"""The ``hand`` of a thread with a job, in whichever context the job was taken."""


def ask() -> InHand | None:
    """Return the hand that takes the next job, in force in the worker's own context until it takes one.

    None for work that handles something itself, and keeps its verdict. A worker that asks again after it got nothing
    has nothing in hand any more. The first time, it may still have to finish a batch.
    """
    present, owner = VERDICT.get(), here()
    if isinstance(present, InHand) and present.owner == owner:
        if present.is_open():
            present.is_alone = False
            return present
        verdict = present.verdict if present.is_taken else settle(present, put_down(present)).verdict
        hand = InHand(owner, verdict, present.child_of)
    else:
        verdict = current_verdict()
        if verdict is None or verdict is OUTLIVED:
            hand = InHand(owner, verdict, None)
        elif isinstance(verdict, Unverified) or _handles_work(owner):
            return None
        else:
            hand = InHand(owner, verdict, verdict)
    VERDICT.set(hand)
    return hand


def put_down(hand: InHand) -> Verdict | None:
    """End the job that the worker has in hand. Return the verdict on a worker without a job."""
    job, child_of = hand.verdict, hand.child_of
    vars(held).pop("hand", None)
    if isinstance(job, Simulated) and job is not child_of and job.is_simulated:
        job.end()
    return None if isinstance(child_of, Simulated) and not child_of.is_simulated else child_of


def _handles_work(owner: object) -> bool:
    """Whether the current thread or task handles work itself: in a block, or in a call of this library's middleware."""
    if any(block.owner == owner and not block.is_left for block in BLOCKS.get()):
        return True
    return any(name in _HANDLERS for name in modules_on_stack())


def modules_on_stack() -> Iterator[str | None]:
    """Go through the names of the modules whose functions are being called, the innermost first."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        yield frame.f_globals.get("__name__")
        frame = frame.f_back


def take(hand: InHand | None, tag: Simulated | Unverified | None) -> None:
    """Take a job with this tag into ``hand``."""
    if hand is None:
        return
    is_own = hand.is_alone and VERDICT.get() is hand and hand.owner == here()
    is_marked = tag is not None or isinstance(hand.verdict, Simulated | Unverified)
    child_of = put_down(hand)
    if is_marked and not is_own and not (hand.is_alone and _is_awaited(hand.owner)):
        verdict: Verdict | None = OUTLIVED  # the worker may handle another job now
    else:
        verdict = _verdict_on(tag, child_of)
    if isinstance(verdict, Simulated) and verdict is not child_of:
        verdict.begin()
    if is_own:
        hand = settle(hand, verdict)
        if isinstance(hand.owner, int):
            held.hand = hand
    else:
        hand.verdict, hand.is_taken = verdict, True
    if isinstance(verdict, Simulated) and child_of is None and not isinstance(hand.owner, int):
        _watch(hand.owner, verdict)


_watched: WeakKeyDictionary[Any, Simulated] = WeakKeyDictionary()
"""The last simulated job of each task that has taken one."""


def _watch(task: Any, job: Simulated) -> None:
    if task not in _watched:
        task.add_done_callback(_check_end)
    _watched[task] = job


def _check_end(task: Any) -> None:
    """Report a task that ends with a result and a simulated job in hand. It is too late to refuse anything."""
    job = _watched.pop(task)
    if job.is_simulated and not task.cancelled() and task.exception() is None and task.result() is not None:
        raise RuntimeError(
            f"{task!r} has taken a simulated item from a queue that was declared with synthetic.carry_queue, and ends "
            "with a result. If that is the item, whoever awaits the task handles it as real. Await get in the task "
            "that handles the item; for a timeout, use asyncio.wait_for(queue.get(), ...) or asyncio.timeout."
        )


def _is_awaited(owner: Any) -> bool:
    """Whether a task waits for the current one, directly or with ``asyncio.wait_for``, ``wait`` or ``gather``."""
    waiter, task = getattr(owner, "_fut_waiter", None), here()
    if waiter is None or waiter is task:
        return waiter is not None
    for callback, *_ in getattr(task, "_callbacks", None) or ():
        cells = getattr(callback, "__closure__", None) or ()
        if any(told is waiter for told in (*getattr(callback, "args", ()), *map(_inside, cells))):
            return True
    return False


def _inside(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it has none yet
        return None


def _verdict_on(tag: Simulated | Unverified | None, child_of: Verdict | None) -> Verdict | None:
    """Return the verdict on a job for a worker that ``child_of`` has started. Where two answers are possible: neither.

    Simulated work that goes on may have started a worker for real jobs, or a helper that gets an answer for it.
    """
    if isinstance(tag, Simulated) and child_of is not REAL:
        return tag.for_work()
    if tag is None and (child_of is None or child_of is REAL):
        return child_of
    return tag if isinstance(tag, Unverified) else OUTLIVED
