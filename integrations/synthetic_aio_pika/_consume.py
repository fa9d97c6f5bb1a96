"""Messages at the door: a callback runs under the verdict on its message, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.patterns import RPC
from aio_pika.queue import QueueIterator
from aio_pika.tools import ensure_awaitable

from synthetic._arrival import arrive_with
from synthetic._patch import always_on
from synthetic._verdict import enter, leave
from synthetic.errors import MessageRefused
from synthetic_aio_pika._refused import turn_away

__all__ = ["admitting", "consuming", "handing_out"]

R = TypeVar("R")


def admitting(
    callback: Callable[[AbstractIncomingMessage], Awaitable[R]],
) -> Callable[[AbstractIncomingMessage], Awaitable[R | None]]:
    """Return ``callback`` for ``Queue.consume``: it is called under the verdict on each message, real or simulated.

    For a message that is refused it is not called: the message is rejected, for the dead-letter exchange of its queue.
    Where the consumer has ``no_ack`` there is nothing to reject, and MessageRefused is raised, which aio-pika logs.
    """
    return _admitting(callback, always_on)


def consuming(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``Queue.consume``."""

    @wraps(original)
    async def consume(queue: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if is_on() and callable(callback) and not _is_plumbing(callback):
            callback = _admitting(ensure_awaitable(callback), is_on)
        return await original(queue, callback, *args, **kwargs)

    return consume


def handing_out(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``QueueIterator.__anext__``: what is refused does not come out, for it would end the loop."""

    @wraps(original)
    async def __anext__(iterator: Any) -> Any:
        while True:
            message = await original(iterator)
            if not is_on():
                return message
            try:
                arrive_with(message.headers)
            except MessageRefused as error:
                await turn_away(message, error)
            else:
                return message

    return __anext__


def _admitting(
    callback: Callable[[AbstractIncomingMessage], Awaitable[R]], is_on: Callable[[], bool]
) -> Callable[[AbstractIncomingMessage], Awaitable[R | None]]:
    @wraps(callback)
    async def on_message(message: AbstractIncomingMessage) -> R | None:
        if not is_on():
            return await callback(message)
        try:
            verdict = arrive_with(message.headers)
        except MessageRefused as error:
            if message.processed:
                raise  # there is nobody else to tell
            await turn_away(message, error)
            return None
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            return await callback(message)
        finally:
            leave(entered)

    return on_message


def _is_plumbing(callback: Any) -> bool:
    """Whether a callback only passes messages on: to an iterator, or the answer to whoever called.

    It may be that of aio-pika itself, or what OpenTelemetry has made of it, which keeps it in its closure.
    """
    cells: tuple[Any, ...] = getattr(callback, "__closure__", None) or ()
    inner = [cell.cell_contents for cell in cells if hasattr(cell, "cell_contents")]
    return any(_passes_on(each) for each in (callback, *inner))


def _passes_on(function: Any) -> bool:
    owner: object = getattr(function, "__self__", None)
    name: object = getattr(function, "__name__", None)
    return (isinstance(owner, QueueIterator) and name == "on_message") or (
        isinstance(owner, RPC) and name == "on_result_message"
    )
