"""A consumer whose messages come with their verdict."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Literal, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import IllegalStateError  # type: ignore[import-untyped]

from synthetic.errors import ConfigurationError, MessageRefused
from synthetic.integration import (
    Handling,
    Incoming,
    Offsets,
    OnRefused,
    Park,
    Place,
    Policies,
    Sorted,
    unmarked,
    verdict_or_refusal,
)

__all__ = ["Policy", "SyntheticConsumer"]

Record: TypeAlias = "ConsumerRecord[Any, Any]"
Policy: TypeAlias = "OnRefused[Record, Awaitable[None]] | Park | Literal['raise']"


class SyntheticConsumer:
    """Receives from ``consumer``, and hands out its messages in ``with`` blocks that put their verdicts in force.

    ``on_refused`` says where a message goes if its marker is not admitted: ``DeadLetter(producer, topic)``,
    ``Park(seconds)``, ``"raise"`` (a MessageRefused), or a coroutine function that takes a sequence of
    ``RefusedMessage`` and keeps them. ``on_later`` is for messages that may be admitted later, because the service
    sheds or is not ready; by default ``on_refused`` takes them as well. If any of this fails, the error is raised, and
    the same messages come again.

    ``commit()`` commits each partition up to the first message that is not done. A consumer in a group needs
    ``enable_auto_commit=False``: ConfigurationError otherwise. Use the consumer itself for everything else.
    """

    def __init__(self, consumer: AIOKafkaConsumer, *, on_refused: Policy, on_later: Policy | None = None) -> None:
        self._policies = Policies(on_refused, on_later)
        self._consumer: Any = consumer
        _check_that_offsets_are_not_committed(consumer)
        self._done: dict[Place, int] = {}
        self._offsets = Offsets(self._done.__setitem__)

    async def getone(self, *partitions: TopicPartition) -> Handling[Record]:
        """Receive one admitted message, as ``getone`` does: ``with await orders.getone() as message: ...``."""
        return await self._one(lambda: self._consumer.getone(*partitions))

    def __aiter__(self) -> SyntheticConsumer:
        """Receive one message after another: ``async for one in orders: with one as message: ...``."""
        return self

    async def __anext__(self) -> Handling[Record]:
        """Receive the next admitted message."""
        return await self._one(self._consumer.__anext__)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> list[Handling[list[Record]]]:
        """Receive a batch, as ``getmany`` does, in groups of one verdict each: see ``admit``."""
        batch = await self._consumer.getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        return await self.admit(message for messages in batch.values() for message in messages)

    async def admit(self, messages: Iterable[Record]) -> list[Handling[list[Record]]]:
        """Split messages that ``consumer`` has received: ``for group in ...: with group as messages: ...``.

        The real messages are one group, and those of each token another. In a group, the messages of a partition stay
        in order.
        """
        given = [*messages]
        places, offsets = map(_place_of, given), map(_offset_of, given)
        whole = unmarked(given, places, offsets, map(_headers_of, given), self._offsets)
        if whole is not None:
            return [whole] if given else []
        return await self._sorted([_incoming(message) for message in given])

    async def commit(self) -> None:
        """Commit how far each partition is done. Raises the errors of ``AIOKafkaConsumer.commit``."""
        here = self._consumer.assignment()
        done = {place: offset for place, offset in self._done.items() if TopicPartition(*place) in here}
        if done:
            await self._consumer.commit({TopicPartition(*place): offset for place, offset in done.items()})
        for place, offset in list(self._done.items()):
            if done.get(place, offset) == offset:
                del self._done[place]

    async def _one(self, receive: Callable[[], Awaitable[Record]]) -> Handling[Record]:
        while True:
            message = await receive()
            verdict = verdict_or_refusal(message.headers)
            if not isinstance(verdict, MessageRefused):
                span = _place_of(message), message.offset, message.offset
                self._offsets.begin_span(span)
                return Handling(message, verdict, (), self._offsets, (span,))
            await self._sorted([_incoming(message)])

    async def _sorted(self, incoming: list[Incoming]) -> list[Handling[list[Record]]]:
        found = Sorted(incoming, self._policies)
        try:
            for policy, messages in found.refused:
                if policy == "raise":
                    raise messages[0].error
                await policy(messages)
        except BaseException:
            self._go_back(incoming)
            raise
        for place, (offset, seconds) in found.parked.items():
            self._park(place, offset, seconds)
        return found.handed_out(self._offsets)

    def _park(self, place: Place, offset: int, seconds: float) -> None:
        _unless_elsewhere(self._consumer.pause, TopicPartition(*place))
        _unless_elsewhere(self._consumer.seek, TopicPartition(*place), offset)
        asyncio.get_running_loop().call_later(seconds, self._resume, place)

    def _resume(self, place: Place) -> None:
        _unless_elsewhere(self._consumer.resume, TopicPartition(*place))

    def _go_back(self, incoming: list[Incoming]) -> None:
        first: dict[Place, int] = {}
        for one in incoming:
            first.setdefault(one.place, one.offset)
        for place, offset in first.items():
            _unless_elsewhere(self._consumer.seek, TopicPartition(*place), offset)


_place_of: Final[Callable[[Record], Place]] = operator.attrgetter("topic", "partition")
_offset_of: Final[Callable[[Record], int]] = operator.attrgetter("offset")
_headers_of: Final[Callable[[Record], Any]] = operator.attrgetter("headers")


def _incoming(message: Record) -> Incoming:
    place = message.topic, message.partition
    return Incoming(message, place, message.offset, message.headers, verdict_or_refusal(message.headers))


def _unless_elsewhere(step: Callable[..., Any], *arguments: object) -> None:
    """Take a step on a partition, unless a rebalance has given it to another consumer."""
    try:
        step(*arguments)
    except IllegalStateError:
        pass


def _check_that_offsets_are_not_committed(consumer: Any) -> None:
    if getattr(consumer, "_enable_auto_commit", False) and getattr(consumer, "_group_id", None) is not None:
        raise ConfigurationError(
            "this consumer commits the offset of a message before the message is handled, so that a refused one "
            "would be passed. Configure it with enable_auto_commit=False, and call commit() of the SyntheticConsumer.",
            setting="enable_auto_commit",
        )
