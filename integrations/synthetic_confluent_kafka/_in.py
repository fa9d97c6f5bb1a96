"""A consumer whose messages come with their verdict."""

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, TypeAlias, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from synthetic.errors import ConfigurationError, MessageRefused
from synthetic.integration import (
    NOWHERE,
    REAL,
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
from synthetic_confluent_kafka._headers import headers_of, incoming, incoming_with

__all__ = ["Policy", "SyntheticConsumer"]

T = TypeVar("T")

Policy: TypeAlias = "OnRefused[Message, None] | Park | Literal['raise']"

_error_of: Final[Callable[[Message], Any]] = operator.methodcaller("error")
_topic_of: Final[Callable[[Message], Any]] = operator.methodcaller("topic")
_partition_of: Final[Callable[[Message], Any]] = operator.methodcaller("partition")
_offset_of: Final[Callable[[Message], Any]] = operator.methodcaller("offset")
_ELSEWHERE: Final = (KafkaError._UNKNOWN_PARTITION, KafkaError._STATE)


class SyntheticConsumer:
    """Receives from ``consumer``, and hands out its messages in ``with`` blocks that put their verdicts in force.

    ``on_refused`` says where a message goes if its marker is not admitted: ``DeadLetter(producer, topic)``,
    ``Park(seconds)``, ``"raise"`` (a MessageRefused), or a function that takes a sequence of ``RefusedMessage`` and
    keeps them. ``on_later`` is for messages that may be admitted later, because the service sheds or is not ready; by
    default ``on_refused`` takes them as well. If any of this fails, the error is raised, and the same messages come
    again.

    SyntheticConsumer stores the offset of a message when the message and all before it in its partition are done.
    ``consumer`` commits stored offsets as it is configured to, or with its ``commit()``. So it needs
    ``enable.auto.offset.store`` to be False: ConfigurationError otherwise. Use the consumer itself for everything but
    receiving.
    """

    def __init__(self, consumer: Consumer, *, on_refused: Policy, on_later: Policy | None = None) -> None:
        self._policies = Policies(on_refused, on_later)
        self._consumer = consumer
        # OpenTelemetry's instrument_consumer() returns a proxy with only some methods of a consumer.
        original = getattr(consumer, "original_consumer", None)
        self._whole: Consumer = consumer if original is None else original()
        _check_that_offsets_are_not_stored(self._whole)
        self._offsets = Offsets(self._store)
        self._parked: dict[Place, float] = {}

    def poll(self, timeout: float = -1) -> Handling[Message | None]:
        """Receive one message, as ``Consumer.poll`` does: ``with orders.poll(1.0) as message: ...``.

        The block gives None if no message came in time, or if the message was refused and is kept elsewhere.
        """
        message = self._received(self._consumer.poll, timeout) if self._parked else self._consumer.poll(timeout)
        if message is None:
            return Handling(None, REAL)
        if message.error() is not None:
            return Handling(message, REAL)
        headers = headers_of(message)
        verdict = verdict_or_refusal(headers)
        if isinstance(verdict, MessageRefused):
            self._sorted([incoming_with(message, headers)])
            return Handling(None, REAL)
        offset = message.offset()
        span: Any = (message.topic(), message.partition()), offset, offset
        self._offsets.begin_span(span)
        return Handling(message, verdict, (), self._offsets, (span,))

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Handling[list[Message]]]:
        """Receive a batch, as ``Consumer.consume`` does, in groups of one verdict each: see ``admit``."""
        receive = functools.partial(self._consumer.consume, num_messages)
        return self.admit(self._received(receive, timeout) if self._parked else receive(timeout))

    def admit(self, messages: Iterable[Message]) -> list[Handling[list[Message]]]:
        """Split messages that ``consumer`` has received: ``for group in ...: with group as messages: ...``.

        The real messages are one group, and those of each token another. In a group, the messages of a partition stay
        in order. Events of the client (``message.error()``) are among the real messages.
        """
        given = [*messages]
        if any(map(_error_of, given)):
            return self._sorted([incoming(message) for message in given])
        headers = [*map(headers_of, given)]
        places: Any = zip(map(_topic_of, given), map(_partition_of, given), strict=True)
        whole = unmarked(given, places, map(_offset_of, given), headers, self._offsets)
        if whole is not None:
            return [whole] if given else []
        return self._sorted([*map(incoming_with, given, headers)])

    def _received(self, receive: Callable[[float], T], timeout: float) -> T:
        """Receive for up to ``timeout`` seconds, and resume the partitions that were parked long enough."""
        deadline = float("inf") if timeout < 0 else time.monotonic() + timeout
        while True:
            self._resume()
            until = min([deadline, *self._parked.values()])
            received = receive(-1 if until == float("inf") else max(0.0, until - time.monotonic()))
            if received or time.monotonic() >= deadline:
                return received

    def _sorted(self, received: list[Incoming]) -> list[Handling[list[Message]]]:
        found = Sorted(received, self._policies)
        try:
            for policy, messages in found.refused:
                if policy == "raise":
                    raise messages[0].error
                policy(messages)
            for place, (offset, seconds) in found.parked.items():
                self._park(place, offset, seconds)
        except BaseException:
            self._go_back(received)
            raise
        return found.handed_out(self._offsets)

    def _park(self, place: Place, offset: int, seconds: float) -> None:
        self._whole.pause([TopicPartition(*place)])
        self._parked[place] = time.monotonic() + seconds
        self._seek(place, offset)

    def _resume(self) -> None:
        now = time.monotonic()
        for place in [place for place, due in self._parked.items() if due <= now]:
            # Also if a rebalance gave the partition to another consumer: when it returns, it returns paused.
            self._whole.resume([TopicPartition(*place)])
            del self._parked[place]

    def _go_back(self, received: list[Incoming]) -> None:
        first: dict[Place, int] = {}
        for one in received:
            if one.offset != NOWHERE:
                first.setdefault(one.place, one.offset)
        for place, offset in first.items():
            self._seek(place, offset)

    def _seek(self, place: Place, offset: int) -> None:
        try:
            self._whole.seek(TopicPartition(place[0], place[1], offset))
        except KafkaException as error:
            _raise_unless_elsewhere(error)

    def _store(self, place: Place, offset: int) -> None:
        try:
            self._whole.store_offsets(offsets=[TopicPartition(*place, offset)])
        except KafkaException as error:
            _raise_unless_elsewhere(error)


def _raise_unless_elsewhere(error: KafkaException) -> None:
    """Raise an error, unless it is about a partition that a rebalance has given to another consumer."""
    if error.args[0].code() not in _ELSEWHERE:
        raise error


def _check_that_offsets_are_not_stored(consumer: Consumer) -> None:
    try:
        consumer.store_offsets(offsets=[])  # an error if the client stores them by itself
    except KafkaException as error:
        if error.args[0].code() != KafkaError._INVALID_ARG:
            raise
        raise ConfigurationError(
            "this consumer stores the offset of a message before the message is handled, so that a refused one would "
            "be passed. Configure it with 'enable.auto.offset.store': False; SyntheticConsumer stores offsets when "
            "messages are done, and they are committed as before.",
            setting="enable.auto.offset.store",
        ) from error
