"""Runs each callback under the verdict on its message. For a refused message, the callback is not called."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from synthetic.errors import MessageRefused
from synthetic.integration import IsOn, await_under, verdict_on
from synthetic_nats._headers import RESERVED
from synthetic_nats._refusal import answer, is_from_stream, reject

__all__ = ["covered", "subscribing"]

_SERVICES: Final = "nats.micro.service"


def subscribing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Client.subscribe``, through which JetStream and services subscribe, too."""

    @wraps(original)
    async def subscribe(client: Any, subject: Any, queue: Any = "", cb: Any = None, *args: Any, **kwargs: Any) -> Any:
        if is_on() and _is_coroutine_function(cb) and not _is_plumbing(cb):
            cb = covered(cb, is_on)
        return await original(client, subject, queue, cb, *args, **kwargs)

    return subscribe


def covered(callback: Callable[[Msg], Awaitable[None]], is_on: IsOn) -> Callable[[Msg], Awaitable[None]]:
    """Return a callback that calls ``callback`` under the verdict on each message."""
    is_endpoint = type(getattr(callback, "__self__", None)).__module__ == _SERVICES

    @wraps(callback)
    async def on_message(msg: Msg) -> None:
        if not is_on() or msg.subject[:1] == RESERVED:
            return await callback(msg)
        try:
            verdict = verdict_on(msg.headers, takes_place=is_endpoint or is_from_stream(msg))
        except MessageRefused as error:
            await (answer(msg, error) if is_endpoint else reject(msg, error))
            raise
        return await await_under(verdict, callback, msg)

    return on_message


def _is_coroutine_function(callback: Any) -> bool:
    return inspect.iscoroutinefunction(callback.func if isinstance(callback, partial) else callback)


def _is_plumbing(callback: Any) -> bool:
    """Whether this is the client's own callback, which passes an answer to its caller; a subclass's does not count."""
    is_bound_to_it = isinstance(getattr(callback, "__self__", None), (Client, JetStreamContext))
    return is_bound_to_it and str(getattr(callback, "__module__", "")).startswith("nats.")
