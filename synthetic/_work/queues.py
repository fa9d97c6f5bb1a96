"""``carry_queue``: a queue of jobs, each of which is handled under the verdict of the work that put it there.

Only queues that were declared carry. Connections, answers and tokens travel in the same kinds of queues, and a thread
must not become simulated because it takes a connection from a pool.
"""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from synthetic._model.verdict import Simulated, Unverified
from synthetic._work.hands import ask, take
from synthetic._work.pool_jobs import end_jobs_of_pools, reject_in_pool, wrap_once
from synthetic._work.state import marked_verdict
from synthetic._work.tags import Tags, is_a

__all__ = ["carry_queue"]

Q = TypeVar("Q")


def carry_queue(queue: Q) -> Q:
    """Declare that the items of ``queue`` are jobs, and return it. A second call for the same queue does nothing.

    A job is handled under the verdict of the work that put it there, until its worker takes the next one. Jobs of real
    work are real. A request, a message or a block that takes something from the queue keeps its own verdict. Where
    nothing tells whose work is done, it is refused as outlived: if a worker waits for several items, for example.

    ``queue`` is a ``queue.Queue``, an ``asyncio.Queue``, a subclass of one of them, a janus queue, or an end of an
    anyio memory stream. Raises TypeError for anything else. Do not declare a queue from which a worker takes several
    items before it handles them: all would have the verdict of the last one. ``get`` raises RuntimeError in jobs of
    pools that cannot keep a verdict; in an executor, the job does if it returns what it has taken.
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
    is_known = is_a("Queue", queue) or _is_janus(queue)
    return is_known and all(hasattr(queue, name) for name in ("_put", "_get", "__dict__"))


def _is_janus(queue: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == "janus" for kind in type(queue).__mro__)


_GETTING: ContextVar[object] = ContextVar("synthetic-getting", default=None)
"""The queue from which a worker takes an item now. Methods that take one may call each other."""


def _carry(queue: Any) -> None:
    """Wrap the methods of one queue. Its class, its content and its order stay as they are."""
    if "_synthetic" in vars(queue):
        return
    queue._synthetic = tags = Tags(queue)
    put, get_item = queue._put, queue._get

    def _put(item: Any) -> None:
        tags.put(item, put)

    def _get() -> Any:
        return tags.get(get_item)

    queue._put, queue._get = _put, _get
    end_jobs_of_pools()
    if _is_janus(queue):
        for end, get in ((queue.sync_q, _getting), (queue.async_q, _awaiting)):
            wrap_once(type(end), "get", partial(_getting_through, get))
            wrap_once(type(end), "get_nowait", partial(_getting_through, _getting))
        return
    is_asyncio = is_a("Queue", queue) and inspect.iscoroutinefunction(queue.get)
    for name, get in (("get", _awaiting if is_asyncio else _getting), ("get_nowait", _getting)):
        method = getattr(queue, name)
        setattr(queue, name, functools.wraps(method)(partial(get, queue, tags.told, method)))


def _getting_through(get: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method of one end of a janus queue."""

    @functools.wraps(method)
    def getting(end: Any, *args: Any, **kwargs: Any) -> Any:
        if "_synthetic" not in vars(end._parent):
            return method(end, *args, **kwargs)
        return get(end._parent, end._parent._synthetic.told, method, end, *args, **kwargs)

    return getting


class _Told(Protocol):
    """Returns an item that was taken, and its tag. It may have been taken ``at_once``, without waiting for one."""

    def __call__(self, found: Any, /, *, at_once: bool) -> tuple[Any, Simulated | Unverified | None]: ...


def _getting(queue: object, told: _Told, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Take an item with ``method`` into the worker's hand."""
    if _GETTING.get() is queue:
        return method(*args, **kwargs)
    hand = ask()
    if hand is not None and hand.child_of is None:
        reject_in_pool(hand.owner)
    token = _GETTING.set(queue)
    try:
        found = method(*args, **kwargs)
    finally:
        _GETTING.reset(token)
    is_at_once = method.__name__ != "get" or False in (*args, kwargs.get("block"))
    item, tag = told(found, at_once=is_at_once)
    take(hand, tag)
    return item


def _awaiting(queue: object, told: _Told, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Do the same with a coroutine function, in whichever task awaits it."""
    if _GETTING.get() is queue:
        return method(*args, **kwargs)
    hand = ask()

    async def getting() -> Any:
        token = _GETTING.set(queue)
        try:
            found = await method(*args, **kwargs)
        finally:
            with suppress(ValueError):  # closed in another context
                _GETTING.reset(token)
        item, tag = told(found, at_once=False)
        take(hand, tag)
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
        wrap_once(memory.MemoryObjectSendStream, name, _sending)
    wrap_once(memory.MemoryObjectReceiveStream, "receive", partial(_receiving, _awaiting))
    wrap_once(memory.MemoryObjectReceiveStream, "receive_nowait", partial(_receiving, _getting))
    stream._state._synthetic = True


def _sending(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def sending(stream: Any, item: Any) -> Any:
        if item.__class__ is not _Tagged and hasattr(stream._state, "_synthetic"):
            verdict = marked_verdict()
            item = item if verdict is None else _Tagged(item, verdict)
        return send(stream, item)

    return sending


def _receiving(get: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def receiving(stream: Any) -> Any:
        state = stream._state
        return get(state, _untagged, method, stream) if hasattr(state, "_synthetic") else method(stream)

    return receiving


def _untagged(found: Any, *, at_once: bool) -> tuple[Any, Simulated | Unverified | None]:
    return (found.item, found.verdict) if found.__class__ is _Tagged else (found, None)
