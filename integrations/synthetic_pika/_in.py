"""Runs each callback under the verdict on its message. For a refused message, the callback is not called."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from synthetic.errors import MessageRefused
from synthetic.integration import IsOn, under, verdict_on
from synthetic_pika._callbacks import is_plumbing
from synthetic_pika._refusal import reject

__all__ = ["consuming", "covered", "getting", "returning"]

R = TypeVar("R")


def consuming(original: Any, is_on: IsOn) -> Any:
    """Wrap ``basic_consume`` of either kind of channel."""

    @wraps(original)
    def basic_consume(
        channel: Any, queue: Any, on_message_callback: Any, auto_ack: Any = False, *args: Any, **kwargs: Any
    ) -> Any:
        if is_on() and callable(on_message_callback) and not is_plumbing(on_message_callback):
            on_message_callback = covered(on_message_callback, auto_ack, is_on)
        return original(channel, queue, on_message_callback, auto_ack, *args, **kwargs)

    return basic_consume


def getting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Channel.basic_get``, which passes one message to a callback."""

    @wraps(original)
    def basic_get(channel: Any, queue: Any, callback: Any, auto_ack: Any = False, *args: Any, **kwargs: Any) -> Any:
        if is_on() and callable(callback) and not is_plumbing(callback):
            callback = covered(callback, auto_ack, is_on)
        return original(channel, queue, callback, auto_ack, *args, **kwargs)

    return basic_get


def returning(original: Any, is_on: IsOn) -> Any:
    """Wrap ``add_on_return_callback`` of either kind of channel: a message comes back if it has reached no queue."""

    @wraps(original)
    def add_on_return_callback(channel: Any, callback: Any) -> Any:
        if is_on() and callable(callback) and not is_plumbing(callback):
            callback = covered(callback, True, is_on)
        return original(channel, callback)

    return add_on_return_callback


def covered(callback: Callable[..., R], auto_ack: bool, is_on: IsOn) -> Callable[..., R | None]:
    """Return a callback that calls ``callback`` under the verdict on each message."""

    @wraps(callback)
    def on_message(channel: Any, method: Any, properties: Any, body: Any) -> R | None:
        if not is_on():
            return callback(channel, method, properties, body)
        try:
            verdict = verdict_on(properties.headers, takes_place=not auto_ack)
        except MessageRefused as error:
            if not auto_ack:
                reject(channel, method.delivery_tag, error)
            return None
        return under(verdict, callback, channel, method, properties, body)

    return on_message
