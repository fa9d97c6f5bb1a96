"""``carry_queue``: a queue of jobs, each of which is handled under the verdict of the work that put it there.

Only queues that were declared carry. Connections, answers and tokens travel in the same kinds of queues, and a thread
must not become simulated because it takes a connection from a pool.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from types import FrameType
from typing import Any, Final, NamedTuple, TypeVar, cast

from synthetic._model.verdict import OUTLIVED, REAL, Simulated, Unverified, Verdict
from synthetic._work.state import BLOCKS, VERDICT, InHand, current_verdict, here, marked_verdict, settle

__all__ = ["carry_queue"]

Q = TypeVar("Q")

_HANDLERS: Final = ("synthetic.asgi", "synthetic.wsgi", "synthetic._admission.messages")
"""Modules whose frames are on the stack while work is handled. A worker that this work has started has none of them."""


def carry_queue(queue: Q) -> Q:
    """Declare that the items of ``queue`` are jobs, and return it. A second call for the same queue does nothing.

    A job is handled under the verdict of the work that put it there, until its worker takes the next one. Jobs of real
    work are real. A request, a message or a block that takes something from the queue keeps its own verdict.

    ``queue`` is a ``queue.Queue``, an ``asyncio.Queue``, a subclass of one of them, a janus queue, or an end of an
    anyio memory stream. Raises TypeError for anything else. Do not declare a queue from which a worker takes several
    items before it handles them: all would have the verdict of the last one.
    """
    if _is_stream(queue):
        _carry_stream(queue)
    elif _is_queue(queue):
        _carry(queue)
    else:
        raise TypeError(
            f"{queue!r} cannot carry: it is not a queue.Queue, an asyncio.Queue, a janus queue or an anyio memory "
            "stream. Put synthetic.carry(job) into it instead, and call what you take from it."
        )
    return queue


def _is_queue(queue: Any) -> bool:
    is_known = _is_a("Queue", queue) or _is_janus(queue)
    return is_known and all(hasattr(queue, name) for name in ("_put", "_get", "__dict__"))


def _is_a(name: str, queue: Any) -> bool:
    """Whether a queue is a ``queue.<name>`` or an ``asyncio.<name>``. Neither module is imported for that."""
    kinds = [getattr(sys.modules[module], name) for module in ("queue", "asyncio") if module in sys.modules]
    return isinstance(queue, tuple(kinds))


def _is_janus(queue: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == "janus" for kind in type(queue).__mro__)


_GETTING: ContextVar[object] = ContextVar("synthetic-getting", default=None)
"""The tags of the queue from which a worker takes an item now. Methods that take one may call each other."""


class _Tags:
    """Whose work the items of one queue are. Real and undecided work is None.

    Code may put items into the queue, or take them out, past its methods. An item that is found without a tag is then
    refused if it may be simulated work's.
    """

    def __init__(self, queue: Any) -> None:
        self._is_stack = _is_a("LifoQueue", queue)
        self._size: Callable[[], int] = getattr(queue, "_qsize", None) or queue.qsize
        self._by_item: dict[int, deque[tuple[object, Simulated | Unverified | None]]] = {}
        self._count = self._marked = 0
        self._untagged: Unverified | None = None
        """The verdict on items without a tag, apart from what the tags say."""
        self._taken = threading.local()
        for item in _content(queue):
            self._add(item, None)

    def put(self, item: object, put: Callable[[Any], None]) -> None:
        """Put ``item`` into the queue, and note whose work it is.

        The tag holds the item, so that no other has its identity meanwhile.
        """
        size = self._in_step()
        if not size:
            self._untagged = None
        verdict = marked_verdict()
        self._add(item, verdict)
        try:
            put(item)
        except BaseException:
            self._withdraw(item)
            raise
        if self._size() <= size:  # the item was dropped, or another one
            self._withdraw(item)

    def get(self, get: Callable[[], Any]) -> Any:
        """Take an item out of the queue. ``last_taken`` returns its tag."""
        self._in_step()
        item = get()
        self._taken.tag = self._remove(item, newest=self._is_stack)[1]
        return item

    def last_taken(self) -> Simulated | Unverified | None:
        """Return the tag of the item that was taken last in this thread; None for real and undecided work."""
        return vars(self._taken).pop("tag") if hasattr(self._taken, "tag") else self._unknown()

    def _in_step(self) -> int:
        """Forget all tags if somebody has changed the queue past them. Return its size."""
        size = self._size()
        if size != self._count:
            self._forget()
        return size

    def _unknown(self) -> Unverified | None:
        """Return the verdict on an item without a tag."""
        return OUTLIVED if self._marked else self._untagged

    def _forget(self) -> None:
        self._untagged = self._unknown()
        self._by_item.clear()
        self._count = self._marked = 0

    def _add(self, item: object, verdict: Simulated | Unverified | None) -> None:
        self._by_item.setdefault(id(item), deque()).append((item, verdict))
        self._count += 1
        self._marked += verdict is not None

    def _remove(self, item: object, *, newest: bool) -> tuple[object, Simulated | Unverified | None]:
        tags = self._by_item.get(id(item))
        if tags is None:
            self._forget()
            return item, self._untagged
        removed = tags.pop() if newest else tags.popleft()
        self._count -= 1
        self._marked -= removed[1] is not None
        if not tags:
            del self._by_item[id(item)]
        return removed

    def _withdraw(self, item: object) -> None:
        """Note that ``item`` was not put, or that another item has made room for it: nothing tells."""
        _, verdict = self._remove(item, newest=True)
        if verdict is not None:
            self._untagged = OUTLIVED
        others = self._by_item.get(id(item), ())
        if any(other is not verdict for _, other in others):
            self._marked += sum(other is None for _, other in others)
            self._by_item[id(item)] = deque((item, OUTLIVED) for _ in others)


def _content(queue: Any) -> list[object]:
    """Return what was put into a queue before it was declared: undecided work."""
    for name in ("queue", "_queue", "_heap_queue"):
        if hasattr(queue, name):
            return list(getattr(queue, name))
    return []


def _carry(queue: Any) -> None:
    """Wrap the methods of one queue. Its class, its content and its order stay as they are."""
    if "_synthetic" in vars(queue):
        return
    queue._synthetic = tags = _Tags(queue)
    put, take = queue._put, queue._get

    def _put(item: Any) -> None:
        tags.put(item, put)

    def _get() -> Any:
        return tags.get(take)

    queue._put, queue._get = _put, _get
    _end_jobs_of_pools()
    if _is_janus(queue):
        for end, get in ((queue.sync_q, _getting), (queue.async_q, _awaiting)):
            _wrap_once(type(end), "get", partial(_getting_through, get))
            _wrap_once(type(end), "get_nowait", partial(_getting_through, _getting))
        return
    is_asyncio = _is_a("Queue", queue) and inspect.iscoroutinefunction(queue.get)
    for name, get in (("get", _awaiting if is_asyncio else _getting), ("get_nowait", _getting)):
        method = getattr(queue, name)
        setattr(queue, name, functools.wraps(method)(partial(get, tags, tags.last_taken, method)))


def _getting_through(get: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method of one end of a janus queue."""

    @functools.wraps(method)
    def getting(end: Any, *args: Any, **kwargs: Any) -> Any:
        tags: _Tags | None = vars(end._parent).get("_synthetic")
        if tags is None:
            return method(end, *args, **kwargs)
        return get(tags, tags.last_taken, method, end, *args, **kwargs)

    return getting


def _wrap_once(kind: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    """Wrap a method of a class whose instances cannot be changed. It does nothing for queues that do not carry."""
    method = cast("Any", vars(kind)[name])
    if not hasattr(method, "__wrapped__"):
        setattr(kind, name, wrap(method))


def _getting(tags: object, tag_of: Callable[..., Any], method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Take an item with ``method`` into the worker's hand."""
    if _GETTING.get() is tags:
        return method(*args, **kwargs)
    hand = _ask()
    if hand is not None and hand.child_of is None:
        _reject_in_pool(hand.owner)
    token = _GETTING.set(tags)
    try:
        item = method(*args, **kwargs)
    finally:
        _GETTING.reset(token)
    _take(hand, tag_of())
    return item


def _awaiting(tags: object, tag_of: Callable[..., Any], method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Do the same with a coroutine function, in whichever task awaits it."""
    if _GETTING.get() is tags:
        return method(*args, **kwargs)
    hand = _ask()

    async def getting() -> Any:
        token = _GETTING.set(tags)
        try:
            item = await method(*args, **kwargs)
        finally:
            with suppress(ValueError):  # closed in another context
                _GETTING.reset(token)
        _take(hand, tag_of())
        return item

    coroutine = getting()
    if hand is not None:
        hand.getting.append(weakref.ref(coroutine))
    return coroutine


# anyio's memory streams. Both ends, and their clones, share a state. A receiver that waits gets its item in the context
# of the sender, so the item itself carries the tag.


class _Tagged(NamedTuple):
    item: object
    verdict: Simulated | Unverified


def _is_stream(stream: Any) -> bool:
    return type(stream).__module__ == "anyio.streams.memory" and hasattr(stream, "_state")


def _carry_stream(stream: Any) -> None:
    memory: Any = sys.modules["anyio.streams.memory"]
    for name in ("send", "send_nowait"):
        _wrap_once(memory.MemoryObjectSendStream, name, _sending)
    _wrap_once(memory.MemoryObjectReceiveStream, "receive", _receiving)
    _wrap_once(memory.MemoryObjectReceiveStream, "receive_nowait", _receiving_at_once)
    stream._state._synthetic = True


def _sending(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def sending(stream: Any, item: Any) -> Any:
        if item.__class__ is not _Tagged and hasattr(stream._state, "_synthetic"):
            verdict = marked_verdict()
            item = item if verdict is None else _Tagged(item, verdict)
        return send(stream, item)

    return sending


def _receiving(receive: Callable[..., Any]) -> Callable[..., Any]:
    async def received(hand: InHand | None, stream: Any) -> Any:
        token = _GETTING.set(stream._state)
        try:
            item = await receive(stream)
        finally:
            with suppress(ValueError):  # closed in another context
                _GETTING.reset(token)
        return _untagged(hand, item)

    @functools.wraps(receive)
    def receiving(stream: Any) -> Any:
        if not hasattr(stream._state, "_synthetic"):
            return receive(stream)
        hand = _ask()
        coroutine = received(hand, stream)
        if hand is not None:
            hand.getting.append(weakref.ref(coroutine))
        return coroutine

    return receiving


def _receiving_at_once(receive_nowait: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(receive_nowait)
    def receiving(stream: Any) -> Any:
        if not hasattr(stream._state, "_synthetic") or _GETTING.get() is stream._state:
            return receive_nowait(stream)
        hand = _ask()
        return _untagged(hand, receive_nowait(stream))

    return receiving


def _untagged(hand: InHand | None, item: Any) -> Any:
    inner, verdict = item if item.__class__ is _Tagged else (item, None)
    _take(hand, verdict)
    return inner


# The worker.


def _ask() -> InHand | None:
    """Return the hand that takes the next job, in force in the worker's own context until it takes one.

    None for work that handles something itself, and keeps its verdict. A worker that asks again after it got nothing
    has nothing in hand any more. The first time, it may still have to finish a batch.
    """
    present, owner = VERDICT.get(), here()
    if isinstance(present, InHand) and present.owner == owner:
        if present.is_open():
            present.is_alone = False
            return present
        verdict = present.verdict if present.is_taken else _put_down(present)
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


def _put_down(hand: InHand) -> Verdict | None:
    """End the job that the worker has in hand. Return the verdict on a worker without a job."""
    job, child_of = hand.verdict, hand.child_of
    vars(_held).pop("hand", None)
    if isinstance(job, Simulated) and job is not child_of and job.is_simulated:
        job.end()
    return None if isinstance(child_of, Simulated) and not child_of.is_simulated else child_of


def _handles_work(owner: object) -> bool:
    """Whether the current thread or task handles work itself: in a block, or in a call of this library's middleware."""
    if any(block.owner == owner and not block.is_left for block in BLOCKS.get()):
        return True
    return any(name in _HANDLERS for name in _modules_on_stack())


def _modules_on_stack() -> Iterator[str | None]:
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        yield frame.f_globals.get("__name__")
        frame = frame.f_back


def _take(hand: InHand | None, tag: Simulated | Unverified | None) -> None:
    """Take a job with this tag into ``hand``."""
    if hand is None:
        return
    is_own = hand.is_alone and VERDICT.get() is hand and hand.owner == here()
    is_marked = tag is not None or isinstance(hand.verdict, Simulated | Unverified)
    child_of = _put_down(hand)
    if is_marked and not is_own and not (hand.is_alone and _is_awaited(hand.owner)):
        verdict: Verdict | None = OUTLIVED  # the worker may handle another job now
    else:
        verdict = _verdict_on(tag, child_of)
    if isinstance(verdict, Simulated) and verdict is not child_of:
        verdict.begin()
    if is_own:
        hand = settle(hand, verdict)
        if isinstance(hand.owner, int):
            _held.hand = hand
    else:
        hand.verdict, hand.is_taken = verdict, True


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


# Pools. Their threads live on, and a job may run in a context that ends with it.


_held = threading.local()
"""The ``hand`` of a thread with a job, in whichever context the job was taken."""

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


def _reject_in_pool(owner: object) -> None:
    """Raise RuntimeError in a thread of these pools."""
    if isinstance(owner, int) and not _loop_runs() and any(name in _POOLS for name in _modules_on_stack()):
        raise RuntimeError(
            "this pool cannot take an item from a queue that was declared with synthetic.carry_queue: the verdict on "
            f"the item would end with the call, or stay in the pool's thread. {_CURE}"
        )


def _loop_runs() -> bool:
    loops = sys.modules.get("asyncio.events")
    return loops is not None and loops._get_running_loop() is not None


_CURE: Final = (
    "Start the worker with threading.Thread, and take and handle the item there; or use an asyncio.Queue, and await "
    "its get in the task that handles the item."
)


def _end_jobs_of_pools() -> None:
    """Let the jobs of executors put down what they have in hand when they end."""
    from concurrent.futures import thread

    _wrap_once(thread._WorkItem, "run", _running)  # pyright: ignore[reportPrivateUsage]


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
        if _held.__dict__:
            hand = vars(_held).pop("hand")
            _drop(hand)
    if hand is not None and hand.child_of is None and hand.verdict is not None and result is not None:
        raise RuntimeError(
            "a job of an executor has taken a simulated item from a queue that was declared with "
            f"synthetic.carry_queue, and ends with a result: whoever gets it would handle it as real. {_CURE}"
        )
    return result


def _drop(hand: InHand) -> None:
    """End what a job of a pool has in hand. The thread's next job begins without it."""
    _put_down(hand)
    if isinstance(VERDICT.get(), InHand):
        settle(hand, None)
        VERDICT.set(None)
