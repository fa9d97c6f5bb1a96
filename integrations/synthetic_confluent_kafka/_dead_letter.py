"""A topic for what was refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from synthetic._log_broker import Refused, verbatim

__all__ = ["DeadLetter"]


class DeadLetter:
    """Send refused messages to ``topic`` as they came, and let them be passed when the broker has them.

    Added are the headers ``synthetic-refused-reason``, ``-topic``, ``-partition`` and ``-offset``. ``producer`` is any
    ``confluent_kafka.Producer`` that is not in a transaction. Raises KafkaException where a message was not delivered
    within ``timeout`` seconds; then none of them is passed.
    """

    def __init__(self, producer: Producer, topic: str, *, timeout: float = 30.0) -> None:
        self._producer = producer
        self._topic = topic
        self._timeout = timeout

    def __call__(self, refused: Sequence[Refused[Message]]) -> None:
        """Send them all, and wait until all have arrived."""
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

    def _send(self, one: Refused[Message], reports: list[Any], deadline: float) -> None:
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
