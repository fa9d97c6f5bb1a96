"""Callbacks that the application hands over to a connection's loop run under the verdict of the code that does so.

The loop calls them later, after the message is handled, or for a thread. pika also hands over callbacks of its own,
such as heartbeats: these stay as they are, because they belong to no work.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]
from pika.channel import Channel  # type: ignore[import-untyped]

from synthetic.integration import IsOn, callback_of

__all__ = ["delaying", "handing_over", "is_plumbing", "keeping", "requesting"]

_CHANNELS: Any = (Channel, BlockingChannel)
"""The application hands over their methods to a loop, to publish or to acknowledge. pika itself does not."""


def handing_over(original: Any, is_on: IsOn) -> Any:
    """Wrap ``add_callback_threadsafe`` of a connection or a loop."""

    @wraps(original)
    def add_callback_threadsafe(self: Any, callback: Any) -> Any:
        return original(self, _kept(callback, _CHANNELS) if is_on() else callback)

    return add_callback_threadsafe


def delaying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``call_later`` of a connection or a loop."""

    @wraps(original)
    def call_later(self: Any, delay: Any, callback: Any) -> Any:
        return original(self, delay, _kept(callback, _CHANNELS) if is_on() else callback)

    return call_later


def requesting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Channel._rpc``: a request, and the callback for its response. It may wait for another request's."""

    @wraps(original)
    def _rpc(channel: Any, method: Any, callback: Any = None, *args: Any, **kwargs: Any) -> Any:
        return original(channel, method, _kept(callback) if is_on() else callback, *args, **kwargs)

    return _rpc


def keeping(original: Any, is_on: IsOn) -> Any:
    """Wrap ``CallbackManager.add``, which keeps the callbacks of channels and connections."""

    @wraps(original)
    def add(self: Any, prefix: Any, key: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, prefix, key, _kept(callback) if is_on() else callback, *args, **kwargs)

    return add


def _kept(callback: Any, unless: Any = ()) -> Any:
    """Return a callback under the present verdict. pika's own stays as it is, ``unless`` it is a method of these."""
    is_theirs = not callable(callback) or (is_plumbing(callback) and not isinstance(_owner_of(callback), unless))
    return callback if is_theirs else callback_of(callback)


def is_plumbing(callback: Any) -> bool:
    """Whether this is a function or a method of pika itself."""
    owner = _owner_of(callback)
    module = getattr(_inner(callback), "__module__", "") if owner is None else type(owner).__module__
    return str(module).startswith("pika.")


def _owner_of(callback: Any) -> object:
    return getattr(_inner(callback), "__self__", None)


def _inner(callback: Any) -> Any:
    while isinstance(callback, partial):
        callback = callback.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return callback  # pyright: ignore[reportUnknownVariableType]
