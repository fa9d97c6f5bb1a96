"""``carry_queue``: a queue of jobs, each of which is handled under the verdict of the work that put it there.

Only queues that were declared carry. Connections, answers and tokens travel in the same kinds of queues, and a thread
must not become simulated because it takes a connection from a pool.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, Final, NamedTuple, TypeVar, cast

from opentelemetry import context

from synthetic._config.in_force import active
from synthetic._model.verdict import OUTLIVED, REAL, Simulated, Unverified, Verdict
from synthetic._work.mirror import is_mirrored, marked, marked_unverified, unmarked
from synthetic._work.state import BLOCKS, VERDICT, InHand, current_verdict, here, marked_verdict

__all__ = ["carry_queue"]

Q = TypeVar("Q")

_HANDLERS: Final = ("synthetic.asgi", "synthetic.wsgi", "synthetic._admission.messages", "synthetic._work.carry")
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


class _Tags:
    """Whose work the items of one queue are. Real and undecided work is None."""

    def __init__(self, *, is_stack: bool) -> None:
        self._is_stack = is_stack
        self._by_item: dict[int, deque[tuple[object, Simulated | Unverified | None]]] = {}

    def put(self, item: object) -> None:
        """Note whose work ``item`` is. The tag holds the item, so that no other has its identity meanwhile."""
        self._by_item.setdefault(id(item), deque()).append((item, marked_verdict()))

    def take(self, item: object) -> Simulated | Unverified | None:
        """Return whose work ``item`` is, and forget that; None for real and undecided work."""
        tags = self._by_item.get(id(item))
        if tags is None:
            return None
        _, verdict = tags.pop() if self._is_stack else tags.popleft()
        if not tags:
            del self._by_item[id(item)]
        return verdict


def _carry(queue: Any) -> None:
    """Wrap the methods of one queue. Its class, its content and its order stay as they are."""
    if "_synthetic" in vars(queue):
        return
    queue._synthetic = tags = _Tags(is_stack=_is_a("LifoQueue", queue))
    put, take = queue._put, queue._get

    def _put(item: Any) -> None:
        tags.put(item)
        put(item)

    def _get() -> Any:
        item = take()
        _take(_hand(), tags.take(item))
        return item

    queue._put, queue._get = _put, _get
    if _is_janus(queue):
        for end in (queue.sync_q, queue.async_q):
            _wrap_once(type(end), "get", _asking_through)
        return
    get = queue.get

    @functools.wraps(get)
    def asking(*args: Any, **kwargs: Any) -> Any:
        _ask()
        return get(*args, **kwargs)

    queue.get = asking


def _asking_through(get: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``get`` of one end of a janus queue."""

    @functools.wraps(get)
    def asking(end: Any, *args: Any, **kwargs: Any) -> Any:
        if "_synthetic" in vars(end._parent):
            _ask()
        return get(end, *args, **kwargs)

    return asking


def _wrap_once(kind: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    """Wrap a method of a class whose instances cannot be changed. It does nothing for queues that do not carry."""
    method = cast("Any", vars(kind)[name])
    if not hasattr(method, "__wrapped__"):
        setattr(kind, name, wrap(method))


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
    async def received(hand: InHand | None, receiving: Awaitable[Any]) -> Any:
        return _untagged(hand, await receiving)

    @functools.wraps(receive)
    def asking(stream: Any) -> Any:
        if not hasattr(stream._state, "_synthetic"):
            return receive(stream)
        _ask()
        return received(_hand(), receive(stream))

    return asking


def _receiving_at_once(receive_nowait: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(receive_nowait)
    def receiving(stream: Any) -> Any:
        item = receive_nowait(stream)
        return _untagged(_hand(), item) if hasattr(stream._state, "_synthetic") else item

    return receiving


def _untagged(hand: InHand | None, item: Any) -> Any:
    inner, verdict = item if item.__class__ is _Tagged else (item, None)
    if hand is None or not hand.is_taken:
        _take(hand, verdict)
    return inner


# The worker.


def _ask() -> None:
    """Note that a worker asks for a job, in its own context. What it has in hand stays there until it gets one.

    A worker that asks again after it got nothing has nothing in hand any more. The first time, it may still have to
    finish a batch.
    """
    present = VERDICT.get()
    if isinstance(present, InHand) and not present.is_taken and present.owner == here():
        _put_down(present)
    else:
        _hand()


def _hand() -> InHand | None:
    """Return the hand that takes the next job; None for work that handles something itself, and keeps its verdict."""
    present, owner = VERDICT.get(), here()
    if isinstance(present, InHand):
        if not present.is_taken:
            return present
        if present.owner == owner:
            return _new_hand(owner, present.verdict, present.child_of)
    verdict = current_verdict()
    if verdict is None or verdict is OUTLIVED:
        return _new_hand(owner, verdict, None)
    if isinstance(verdict, Unverified) or _handles_work(owner):
        return None
    return _new_hand(owner, verdict, verdict)


def _new_hand(owner: object, verdict: Verdict | None, child_of: Verdict | None) -> InHand:
    hand = InHand(owner, verdict, child_of)
    VERDICT.set(hand)
    return hand


def _handles_work(owner: object) -> bool:
    """Whether the current thread or task handles work itself: in a block, or in a call of this library's middleware."""
    if any(block.owner == owner and not block.is_left for block in BLOCKS.get()):
        return True
    frame: FrameType | None = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if frame.f_globals.get("__name__") in _HANDLERS:
            return True
        frame = frame.f_back
    return False


def _take(hand: InHand | None, tag: Simulated | Unverified | None) -> None:
    """Take a job with this tag into ``hand``."""
    if hand is None:
        return
    _put_down(hand)
    if isinstance(hand.child_of, Simulated) and not hand.child_of.is_simulated:
        hand.child_of = None
    hand.is_taken = True
    hand.verdict = verdict = _verdict_on(tag, hand.child_of)
    if isinstance(verdict, Simulated):
        verdict.begin()
    if hand.owner == here():  # else, it is another context than the worker's
        _mirror(verdict)


def _put_down(hand: InHand) -> None:
    """End the job that the worker has in hand."""
    before, hand.verdict = hand.verdict, hand.child_of
    if isinstance(before, Simulated) and before is not hand.child_of:
        before.end()


def _verdict_on(tag: Simulated | Unverified | None, child_of: Verdict | None) -> Verdict | None:
    """Return the verdict on a job for a worker that ``child_of`` has started. Where two answers are possible: neither.

    Simulated work that goes on may have started a worker for real jobs, or a helper that gets an answer for it.
    """
    if isinstance(tag, Simulated) and child_of is not REAL:
        return tag.for_work()
    if tag is None and (child_of is None or child_of is REAL):
        return child_of
    return tag if isinstance(tag, Unverified) else OUTLIVED


def _mirror(verdict: Verdict | None) -> None:
    """Let the OpenTelemetry context of the worker say the same, for as long as it has the job in hand."""
    present = context.get_current()
    if isinstance(verdict, Simulated):
        context.attach(marked(present, verdict, active().key))
    elif isinstance(verdict, Unverified):
        context.attach(marked_unverified(present, verdict))
    elif is_mirrored(present):
        context.attach(unmarked(present))
