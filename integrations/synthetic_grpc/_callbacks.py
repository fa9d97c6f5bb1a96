"""Callbacks of calls and channels. grpc calls them in threads and tasks of its own, which other work may have started.

Each runs under the verdict of the code that registers it.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic.integration import IsOn, callback_of, without_verdict

__all__ = ["covered", "registering", "starting"]


def registering(original: Any, is_on: IsOn) -> Any:
    """Wrap a method that registers a callback with a call or a channel."""

    @wraps(original)
    def register(owner: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
        return original(owner, callback_of(callback) if is_on() else callback, *args, **kwargs)

    return register


def starting(original: Any, is_on: IsOn) -> Any:
    """Wrap a function that starts a thread of a channel, which serves all calls and has no verdict."""

    @wraps(original)
    def start(*args: Any, **kwargs: Any) -> Any:
        return without_verdict(original, *args, **kwargs) if is_on() else original(*args, **kwargs)

    return start


def covered(call: Any) -> Any:
    """Return a call whose callbacks keep their verdict, without a patch."""
    for name in ("add_callback", "add_done_callback"):
        register = getattr(call, name, None)
        if register is not None and not hasattr(register, "__wrapped__"):
            setattr(call, name, _registering(register))
    return call


def _registering(register: Any) -> Any:
    @wraps(register)
    def registering(callback: Any) -> Any:
        return register(callback_of(callback))

    return registering
