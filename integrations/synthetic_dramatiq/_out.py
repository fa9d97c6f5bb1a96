"""Adds the marker to messages while a broker enqueues them."""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic.integration import IsOn
from synthetic_dramatiq._headers import mark, unmark
from synthetic_dramatiq._refusal import skip_if_refused

__all__ = ["ending", "starting"]


def starting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Broker.emit_before``, which brokers call before they enqueue, and workers before they process a message.

    Dramatiq swallows most errors of middleware. It does not swallow those that are raised here.
    """

    @wraps(original)
    def emit_before(broker: Any, signal: str, *args: Any, **kwargs: Any) -> Any:
        if signal == "enqueue":
            if is_on():
                mark(args[0])
        elif signal == "process_message":
            skip_if_refused(broker, args[0])
        return original(broker, signal, *args, **kwargs)

    return emit_before


def ending(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Broker.emit_after``, which every broker calls after it has enqueued a message."""

    @wraps(original)
    def emit_after(broker: Any, signal: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(broker, signal, *args, **kwargs)
        finally:
            if signal == "enqueue":
                unmark(args[0])

    return emit_after
