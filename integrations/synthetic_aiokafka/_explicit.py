"""A producer that sends the marker without patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.producer.message_accumulator import BatchBuilder  # type: ignore[import-untyped]

from synthetic.integration import always_on, enter, leave
from synthetic_aiokafka._out import carrying

__all__ = ["SyntheticProducer"]

_append: Callable[..., Any] = cast("Any", BatchBuilder).append


class _Builder(BatchBuilder):  # type: ignore[misc]
    append = carrying(_append, always_on)


class SyntheticProducer(AIOKafkaProducer):  # type: ignore[misc]
    """An ``AIOKafkaProducer`` that sends the marker. Use it instead of instrumenting all producers."""

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
        """Connect, as ``AIOKafkaProducer.start`` does. The background tasks that it starts have no verdict."""
        entered = enter(None)
        try:
            producer: Any = super()
            await producer.start()
        finally:
            leave(entered)
