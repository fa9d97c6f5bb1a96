"""Jobs of pools that take items from a queue that was declared with ``carry_queue``.

The threads of a pool live on, and its next job must not have the verdict of what this one has taken. And a job may run
in a copy of a context, so that whoever waits for the job does not get the verdict.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from synthetic._work.hands import held, modules_on_stack, put_down
from synthetic._work.state import VERDICT, InHand, settle

__all__ = ["end_jobs_of_pools", "reject_in_pool", "wrap_once"]


def wrap_once(kind: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    """Wrap a method of a class whose instances cannot be changed. It does nothing for queues that do not carry."""
    method = cast("Any", vars(kind)[name])
    if not hasattr(method, "__wrapped__"):
        setattr(kind, name, wrap(method))


_CURE: Final = (
    "Start the worker with threading.Thread, and take and handle the item there; or use an asyncio.Queue, and await "
    "its get in the task that handles the item."
)

_POOLS: Final = (
    "anyio._backends._asyncio",
    "billiard.pool",
    "concurrent.futures.process",
    "eventlet.tpool",
    "gevent.threadpool",
    "joblib.externals.loky.process_executor",
    "loky.process_executor",
    "multiprocess.pool",
    "multiprocessing.pool",
    "pebble.pool.process",
    "pebble.pool.thread",
    "trio._core._thread_cache",
)
"""Modules that call jobs in threads and processes that live on. Nothing is done at the end of such a job."""


def reject_in_pool(owner: object) -> None:
    """Raise RuntimeError in a thread of these pools."""
    if isinstance(owner, int) and not _loop_runs() and any(name in _POOLS for name in modules_on_stack()):
        raise RuntimeError(
            "this pool cannot take an item from a queue that was declared with synthetic.carry_queue: the verdict on "
            f"the item would end with the call, or stay in the pool's thread. {_CURE}"
        )


def _loop_runs() -> bool:
    loops = sys.modules.get("asyncio.events")
    return loops is not None and loops._get_running_loop() is not None


def end_jobs_of_pools() -> None:
    """Let the jobs of executors put down what they have in hand when they end."""
    from concurrent.futures import thread

    wrap_once(thread._WorkItem, "run", _running)  # pyright: ignore[reportPrivateUsage]


def _running(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def running(item: Any, *args: Any) -> None:
        if hasattr(item, "fn"):
            item.fn = partial(_run, item.fn)
        else:  # Python 3.14
            function, given, named = item.task
            item.task = partial(_run, function), given, named
        run(item, *args)

    return running


def _run(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call the job of an executor. Raises RuntimeError if it returns something that it has taken, maybe."""
    result = hand = None
    try:
        result = function(*args, **kwargs)
    finally:
        if held.__dict__:
            hand = vars(held).pop("hand")
            _drop(hand)
    if hand is not None and hand.child_of is None and hand.verdict is not None and result is not None:
        raise RuntimeError(
            "a job of an executor has taken a simulated item from a queue that was declared with "
            f"synthetic.carry_queue, and ends with a result: whoever gets it would handle it as real. {_CURE}"
        )
    return result


def _drop(hand: InHand) -> None:
    """End what a job of a pool has in hand. The thread's next job begins without it."""
    put_down(hand)
    if isinstance(VERDICT.get(), InHand):
        settle(hand, None)
        VERDICT.set(None)
