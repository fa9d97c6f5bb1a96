"""Messages at the door: a callback runs under the verdict on its message, or not at all.

What is refused ends in MessageRefused, which the ``error_cb`` of the connection gets. JetStream is told as well: it
gives up a message that is refused, and sends one that is to come later again after a while. An endpoint of a service
answers with an error, as services do.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from types import TracebackType
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from synthetic._arrival import Admitted, admitted, arrive_with
from synthetic._marker import Marker
from synthetic._patch import always_on
from synthetic._verdict import enter, leave
from synthetic.errors import MessageRefused
from synthetic_nats._publish import RESERVED

__all__ = ["PAUSE", "admitting", "message", "subscribing"]

PAUSE: Final = 1.0
"""Seconds after which JetStream is to send a message again that is to come later."""

_ACKNOWLEDGED: Final = "$JS.ACK."
_SERVICES: Final = "nats.micro.service"
_STATUS: Final = {True: "429", False: "403"}


def admitting(callback: Callable[[Msg], Awaitable[None]]) -> Callable[[Msg], Awaitable[None]]:
    """Return ``callback`` for ``subscribe``: it is called under the verdict on each message, real or simulated.

    For a message that is refused it is not called, JetStream is told not to send it again, and MessageRefused is
    raised, for the ``error_cb`` of the connection.
    """
    return _admitting(callback, always_on)


class message:
    """Admit a message from ``sub.messages``, ``next_msg`` or ``fetch``, for the length of an ``async with`` block.

    It gives the marker, or None for a real message. On entering it raises MessageRefused, after JetStream was told not
    to send the message again, or to do so later.
    """

    def __init__(self, message: Msg) -> None:
        self._message = message
        self._scope: Admitted | None = None

    async def __aenter__(self) -> Marker | None:
        try:
            self._scope = admitted(self._message.headers)
        except MessageRefused as error:
            await _turn_away(self._message, error)
            raise
        return self._scope.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scope is not None:
            self._scope.__exit__(kind, error, trace)


def subscribing(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``Client.subscribe``, through which JetStream and services subscribe, too."""

    @wraps(original)
    async def subscribe(client: Any, subject: Any, queue: Any = "", cb: Any = None, *args: Any, **kwargs: Any) -> Any:
        if is_on() and _is_coroutine_function(cb) and not _is_plumbing(cb):
            cb = _admitting(cb, is_on)
        return await original(client, subject, queue, cb, *args, **kwargs)

    return subscribe


def _admitting(
    callback: Callable[[Msg], Awaitable[None]], is_on: Callable[[], bool]
) -> Callable[[Msg], Awaitable[None]]:
    is_endpoint = type(getattr(callback, "__self__", None)).__module__ == _SERVICES

    @wraps(callback)
    async def on_message(msg: Msg) -> None:
        if not is_on() or msg.subject[:1] == RESERVED:
            return await callback(msg)
        try:
            verdict = arrive_with(msg.headers)
        except MessageRefused as error:
            await (_answer(msg, error) if is_endpoint else _turn_away(msg, error))
            raise
        entered = enter(verdict, is_work=True, marks_span=True)
        try:
            return await callback(msg)
        finally:
            leave(entered)

    return on_message


async def _turn_away(msg: Msg, error: MessageRefused) -> None:
    if not msg.reply.startswith(_ACKNOWLEDGED):
        return  # core NATS: nobody would send it again, and an empty answer could pass for a good one
    if error.is_later:
        await msg.nak(delay=PAUSE)
    else:
        await msg.term()


async def _answer(msg: Msg, error: MessageRefused) -> None:
    if msg.reply:
        from nats.micro.request import Request  # which not every supported version has

        await Request(msg).respond_error(_STATUS[error.is_later], error.reason.value)


def _is_coroutine_function(callback: Any) -> bool:
    return inspect.iscoroutinefunction(callback.func if isinstance(callback, partial) else callback)


def _is_plumbing(callback: Any) -> bool:
    """Whether a callback is the client's own, which hands an answer to whoever asked; not that of a subclass."""
    is_bound_to_it = isinstance(getattr(callback, "__self__", None), (Client, JetStreamContext))
    return is_bound_to_it and str(getattr(callback, "__module__", "")).startswith("nats.")
