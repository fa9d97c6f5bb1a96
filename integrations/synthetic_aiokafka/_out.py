"""The marker in the headers of a message.

Every message passes ``BatchBuilder.append``, whether it is sent by itself or in a batch of the caller's, and in the
task that sends it. ``append`` is below ``AIOKafkaProducer.send``, which OpenTelemetry wraps: you can instrument both in
any order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.producer.message_accumulator import BatchBuilder  # type: ignore[import-untyped]

from synthetic.integration import (
    REAL,
    VERDICT,
    IsOn,
    Patch,
    Patches,
    enter,
    go_on_after,
    is_verbatim,
    leave,
    noting_injections,
    outgoing_pairs,
)

__all__ = ["carrying", "patches"]

_get_verdict = VERDICT.get


def carrying(original: Callable[..., Any], is_on: IsOn) -> Callable[..., Any]:
    """Wrap ``BatchBuilder.append``."""

    @wraps(original)
    def append(builder: Any, *, headers: Any = None, **message: Any) -> Any:
        # Nearly every message: real work, and no headers.
        if (headers or _get_verdict() is not REAL) and is_on() and not is_verbatim():
            headers = _departing(headers)
        return original(builder, headers=headers or [], **message)

    return append


def _departing(headers: Any) -> Any:
    given = list(headers) if hasattr(headers, "__next__") else headers
    try:
        return outgoing_pairs(given)[0]
    except Exception as error:  # also for values that are no headers: the producer raises its own error for them
        return go_on_after(error, given)


def _unset(original: Callable[..., Any], is_on: IsOn) -> Callable[..., Any]:
    """Wrap ``start``: its tasks live longer than the work that starts the client."""

    @wraps(original)
    async def start(*args: Any, **kwargs: Any) -> Any:
        if not is_on():
            return await original(*args, **kwargs)
        entered = enter(None)
        try:
            return await original(*args, **kwargs)
        finally:
            leave(entered)

    return start


patches = Patches(
    Patch(BatchBuilder, "append", carrying),
    Patch(AIOKafkaProducer, "start", _unset),
    Patch(AIOKafkaConsumer, "start", _unset),
    noting_injections(),
)
