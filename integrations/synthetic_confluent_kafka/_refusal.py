"""A topic for refused messages, and the error for simulated messages that cannot carry the marker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from synthetic.errors import SyntheticTrafficError
from synthetic.integration import RefusedMessage, verbatim

__all__ = ["DeadLetter", "MarkerNotCarried"]


class MarkerNotCarried(SyntheticTrafficError, NotImplementedError):
    """Simulated work used a client that cannot send headers: its message would count as real."""


class DeadLetter:
    """Send refused messages to ``topic`` unchanged; offsets pass them once the broker has stored them all.

    The headers ``synthetic-refused-reason``, ``-topic``, ``-partition`` and ``-offset`` are added. ``producer`` is any
    ``confluent_kafka.Producer`` that is not in a transaction. Raises KafkaException if a message is not delivered
    within ``timeout`` seconds; offsets then pass none of them.
    """

    def __init__(self, producer: Producer, topic: str, *, timeout: float = 30.0) -> None:
        self._producer = producer
        self._topic = topic
        self._timeout = timeout

    def __call__(self, refused: Sequence[RefusedMessage[Message]]) -> None:
        """Send all messages, and wait until the broker has them."""
        deadline = time.monotonic() + self._timeout
        reports: list[Any] = []
        with verbatim():
            for one in refused:
                self._send(one, reports, deadline)
        while len(reports) < len(refused):
            self._wait(deadline)
        for error in reports:
            if error is not None:
                raise KafkaException(error)

    def _send(self, one: RefusedMessage[Message], reports: list[Any], deadline: float) -> None:
        message = one.message
        while True:
            try:
                return self._producer.produce(
                    self._topic,
                    value=message.value(),
                    key=message.key(),
                    headers=one.headers,
                    on_delivery=lambda error, _: reports.append(error),
                )
            except BufferError:
                self._wait(deadline)

    def _wait(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no report from {self._topic!r}"))
        self._producer.poll(0.05)
