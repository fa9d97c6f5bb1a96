"""A topic for refused messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, ConsumerRecord  # type: ignore[import-untyped]

from synthetic.integration import RefusedMessage, verbatim

__all__ = ["DeadLetter"]


class DeadLetter:
    """Send refused messages to ``topic`` unchanged; offsets pass them once the broker has stored them all.

    The headers ``synthetic-refused-reason``, ``-topic``, ``-partition`` and ``-offset`` are added. ``producer`` is any
    started ``AIOKafkaProducer`` that is not in a transaction; if the consumer deserializes keys or values, it needs the
    matching serializers. Raises a KafkaError if a message is not delivered, and TimeoutError after ``timeout`` seconds;
    offsets then pass none of them.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, *, timeout: float = 30.0) -> None:
        self._producer: Any = producer
        self._topic = topic
        self._timeout = timeout

    async def __call__(self, refused: Sequence[RefusedMessage[ConsumerRecord[Any, Any]]]) -> None:
        """Send all messages, and wait until the broker has them."""
        await asyncio.wait_for(self._deliver(refused), self._timeout)

    async def _deliver(self, refused: Sequence[RefusedMessage[ConsumerRecord[Any, Any]]]) -> None:
        with verbatim():
            reports = [await self._sent(one) for one in refused]
        await asyncio.gather(*reports)

    async def _sent(self, one: RefusedMessage[ConsumerRecord[Any, Any]]) -> Any:
        key, value = one.message.key, one.message.value
        if key is None and value is None:
            value = b""  # a producer refuses a message without key and value
        return await self._producer.send(self._topic, value, key, headers=one.headers)
