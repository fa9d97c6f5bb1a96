"""Messages at the door: a callback runs under the verdict on its message, or not at all.

What is refused is rejected, so that the broker hands it to the queue's dead-letter exchange. What is to come later is
put back into its queue after a while: at once, it would be back at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final, ParamSpec, TypeVar

from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]
from pika.channel import Channel  # type: ignore[import-untyped]
from pika.spec import Basic, BasicProperties  # type: ignore[import-untyped]

from synthetic._arrival import Admitted, admitted, arrive_with, under
from synthetic._patch import always_on
from synthetic.errors import MessageRefused

__all__ = ["PAUSE", "admitting", "consuming", "getting", "message"]

PAUSE: Final = 1.0
"""Seconds for which a message that is to come later is kept from its queue."""

AnyChannel = TypeVar("AnyChannel", BlockingChannel, Channel)
Method = TypeVar("Method", Basic.Deliver, Basic.GetOk)
P = ParamSpec("P")
R = TypeVar("R")


def admitting(
    callback: Callable[[AnyChannel, Method, BasicProperties, bytes], R], *, auto_ack: bool = False
) -> Callable[[AnyChannel, Method, BasicProperties, bytes], R | None]:
    """Return ``callback`` for ``basic_consume``: it is called under the verdict on each message, real or simulated.

    For a message that is refused it is not called: the message is rejected, for the dead-letter exchange of its queue.
    Say ``auto_ack=True`` where ``basic_consume`` is told so: such a message is acknowledged already, and is dropped.
    """
    return _admitting(callback, auto_ack, always_on)


def message(
    channel: BlockingChannel | Channel,
    method: Basic.Deliver | Basic.GetOk,
    properties: BasicProperties,
    *,
    auto_ack: bool = False,
) -> Admitted:
    """Admit a message from ``consume`` or ``basic_get``, for the length of a ``with`` block, which gives its marker.

    Raises MessageRefused, after the message was rejected (unless it is acknowledged already: ``auto_ack=True``).
    """
    try:
        return admitted(properties.headers)
    except MessageRefused as error:
        if not auto_ack:
            _turn_away(channel, method.delivery_tag, error)
        raise


def consuming(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``basic_consume`` of either kind of channel."""

    @wraps(original)
    def basic_consume(
        channel: Any, queue: Any, on_message_callback: Any, auto_ack: Any = False, *args: Any, **kwargs: Any
    ) -> Any:
        if is_on():
            on_message_callback = _covered(on_message_callback, auto_ack, is_on)
        return original(channel, queue, on_message_callback, auto_ack, *args, **kwargs)

    return basic_consume


def getting(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``Channel.basic_get``, which hands its one message to a callback."""

    @wraps(original)
    def basic_get(channel: Any, queue: Any, callback: Any, auto_ack: Any = False, *args: Any, **kwargs: Any) -> Any:
        if is_on():
            callback = _covered(callback, auto_ack, is_on)
        return original(channel, queue, callback, auto_ack, *args, **kwargs)

    return basic_get


def _covered(callback: Any, auto_ack: bool, is_on: Callable[[], bool]) -> Any:
    """The callback to register: what is none, or the blocking connection's own, stays as it is."""
    owner: object = getattr(callback, "__self__", None)
    if not callable(callback) or type(owner).__module__ == BlockingChannel.__module__:
        return callback
    return _admitting(callback, auto_ack, is_on)


def _admitting(callback: Callable[..., R], auto_ack: bool, is_on: Callable[[], bool]) -> Callable[..., R | None]:
    @wraps(callback)
    def on_message(channel: Any, method: Any, properties: Any, body: Any) -> R | None:
        if not is_on():
            return callback(channel, method, properties, body)
        try:
            verdict = arrive_with(properties.headers)
        except MessageRefused as error:
            if not auto_ack:
                _turn_away(channel, method.delivery_tag, error)
            return None
        return under(verdict, callback, channel, method, properties, body)

    return on_message


def _turn_away(channel: Any, delivery_tag: int, error: MessageRefused) -> None:
    if not error.is_later:
        channel.basic_reject(delivery_tag, requeue=False)
        return
    connection = channel.connection
    # A blocking connection has a public timer; the others have only that of their adapter in common.
    call_later = getattr(connection, "call_later", None) or connection._adapter_call_later
    call_later(PAUSE, partial(_put_back, channel, delivery_tag))


def _put_back(channel: Any, delivery_tag: int) -> None:
    if channel.is_open:  # otherwise the broker has put it back already
        channel.basic_reject(delivery_tag, requeue=True)
