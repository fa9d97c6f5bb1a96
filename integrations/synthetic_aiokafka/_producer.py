"""The marker in the headers of a message.

``BatchBuilder.append`` is where every message passes, sent by itself or in a batch of the caller's, in the task whose
work it is. That is below ``AIOKafkaProducer.send``, which OpenTelemetry wraps, so that the order does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.producer.message_accumulator import BatchBuilder  # type: ignore[import-untyped]

from synthetic._carrier import outgoing_pairs
from synthetic._failure import go_on_after
from synthetic._log_broker import is_verbatim
from synthetic._patch import IsOn, Patch, Patches
from synthetic._verdict import REAL, VERDICT, enter, leave

__all__ = ["SyntheticProducer", "patches"]

_get_verdict = VERDICT.get


def _carrying(original: Callable[..., Any], is_on: IsOn) -> Callable[..., Any]:
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
    except Exception as error:  # be it that these are no headers at all, which the producer says in its own words
        return go_on_after(error, given)


def _unset(original: Callable[..., Any], is_on: IsOn) -> Callable[..., Any]:
    """Wrap ``start``: its tasks live longer than the work in which a client happens to be started."""

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
    Patch(BatchBuilder, "append", _carrying),
    Patch(AIOKafkaProducer, "start", _unset),
    Patch(AIOKafkaConsumer, "start", _unset),
)

_append: Callable[..., Any] = cast("Any", BatchBuilder).append


class _Builder(BatchBuilder):  # type: ignore[misc]
    append = _carrying(_append, lambda: True)


class SyntheticProducer(AIOKafkaProducer):  # type: ignore[misc]
    """An ``AIOKafkaProducer`` that sends the marker along; use it where ``instrument()`` is too much."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        producer: Any = super()
        producer.__init__(*args, **kwargs)
        accumulator: Any = self._message_accumulator
        create_builder = accumulator.create_builder

        def create_ours(*args: Any, **kwargs: Any) -> Any:
            builder = create_builder(*args, **kwargs)
            builder.__class__ = _Builder
            return builder

        accumulator.create_builder = create_ours

    async def start(self) -> None:
        """Connect, as ``AIOKafkaProducer.start`` does; what goes on in the background belongs to no work."""
        entered = enter(None)
        try:
            producer: Any = super()
            await producer.start()
        finally:
            leave(entered)
