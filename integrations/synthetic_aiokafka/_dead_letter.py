"""A topic for what was refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, ConsumerRecord  # type: ignore[import-untyped]

from synthetic._log_broker import Refused, verbatim

__all__ = ["DeadLetter"]


class DeadLetter:
    """Send refused messages to ``topic`` as they came, and let them be passed when the broker has them.

    Added are the headers ``synthetic-refused-reason``, ``-topic``, ``-partition`` and ``-offset``. ``producer`` is any
    started ``AIOKafkaProducer`` that is not in a transaction; where the consumer deserializes keys or values, it needs
    the serializers that belong to them. Raises a KafkaError where a message was not delivered, and TimeoutError after
    ``timeout`` seconds; then none of them is passed.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, *, timeout: float = 30.0) -> None:
        self._producer: Any = producer
        self._topic = topic
        self._timeout = timeout

    async def __call__(self, refused: Sequence[Refused[ConsumerRecord[Any, Any]]]) -> None:
        """Send them all, and wait until all have arrived."""
        await asyncio.wait_for(self._deliver(refused), self._timeout)

    async def _deliver(self, refused: Sequence[Refused[ConsumerRecord[Any, Any]]]) -> None:
        with verbatim():
            reports = [await self._sent(one) for one in refused]
        await asyncio.gather(*reports)

    async def _sent(self, one: Refused[ConsumerRecord[Any, Any]]) -> Any:
        key, value = one.message.key, one.message.value
        if key is None and value is None:
            value = b""  # a producer takes no message with neither
        return await self._producer.send(self._topic, value, key, headers=one.headers)
