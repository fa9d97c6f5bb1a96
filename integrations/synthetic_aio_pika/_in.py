"""Runs each callback, and each ``process()`` block, under the verdict on its message; for a refused one, neither."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, TypeVar

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.patterns import RPC
from aio_pika.queue import QueueIterator
from aio_pika.tools import ensure_awaitable

from synthetic.errors import MessageRefused
from synthetic.integration import AdmittedMessage, IsOn, await_under, verdict_on
from synthetic_aio_pika._refusal import admitted_or_rejected, reject

__all__ = ["beginning", "consuming", "covered", "ending", "handing_out"]

R = TypeVar("R")

_SCOPE: Final = "_synthetic_scope"


def consuming(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Queue.consume``."""

    @wraps(original)
    async def consume(queue: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if is_on() and callable(callback) and not _is_plumbing(callback):
            callback = covered(ensure_awaitable(callback), is_on)
        return await original(queue, callback, *args, **kwargs)

    return consume


def handing_out(original: Any, is_on: IsOn) -> Any:
    """Wrap ``QueueIterator.__anext__``. It skips refused messages, because an error would end the loop."""

    @wraps(original)
    async def __anext__(iterator: Any) -> Any:
        while True:
            message = await original(iterator)
            if not is_on():
                return message
            try:
                verdict_on(message.headers)
            except MessageRefused as error:
                await reject(message, error)
            else:
                return message

    return __anext__


def beginning(original: Any, is_on: IsOn) -> Any:
    """Wrap ``ProcessContext.__aenter__``: the verdict on the message is in force in the block."""

    @wraps(original)
    async def __aenter__(process: Any) -> Any:
        if not is_on():
            return await original(process)
        scope = await admitted_or_rejected(process.message)
        given = await original(process)
        scope.__enter__()
        setattr(process, _SCOPE, scope)
        return given

    return __aenter__


def ending(original: Any, is_on: IsOn) -> Any:
    """Wrap ``ProcessContext.__aexit__``. It leaves what ``beginning`` entered, also after ``uninstrument``."""

    @wraps(original)
    async def __aexit__(process: Any, kind: Any, error: Any, trace: Any) -> Any:
        scope: AdmittedMessage | None = getattr(process, _SCOPE, None)
        setattr(process, _SCOPE, None)
        try:
            return await original(process, kind, error, trace)
        finally:
            if scope is not None:
                scope.__exit__(kind, error, trace)

    return __aexit__


def covered(
    callback: Callable[[AbstractIncomingMessage], Awaitable[R]], is_on: IsOn
) -> Callable[[AbstractIncomingMessage], Awaitable[R | None]]:
    """Return a callback that calls ``callback`` under the verdict on each message."""

    @wraps(callback)
    async def on_message(message: AbstractIncomingMessage) -> R | None:
        if not is_on():
            return await callback(message)
        try:
            verdict = verdict_on(message.headers, takes_place=not message.processed)
        except MessageRefused as error:
            if message.processed:
                raise  # it cannot be rejected any more: aio-pika logs the error
            await reject(message, error)
            return None
        return await await_under(verdict, callback, message)

    return on_message


def _is_plumbing(callback: Any) -> bool:
    """Whether a callback only passes messages on: to an iterator, or as the answer to an RPC call.

    It is aio-pika's own callback, or OpenTelemetry's wrapper, which keeps the callback in its closure.
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
