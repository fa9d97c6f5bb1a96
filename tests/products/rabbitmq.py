"""RabbitMQ: connections, queues with a dead-letter queue, and a sender that knows nothing of the library."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel

from synthetic import ledger
from tests.contract.messages import Handled, eventually
from tests.support import brokers
from tests.support.servers import PATIENCE
from tests.support.work import new_name

needs = brokers.rabbitmq


def url(port: int) -> str:
    return f"amqp://guest:guest@127.0.0.1:{port}/"


def parameters(port: int) -> pika.ConnectionParameters:
    return pika.ConnectionParameters("127.0.0.1", port, socket_timeout=PATIENCE, stack_timeout=PATIENCE)


@contextmanager
def channel_to(port: int) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(parameters(port)) as connection:
        yield connection.channel()


class Queue:
    """A queue with a new name, and a second one for the messages that are rejected."""

    def __init__(self, channel: BlockingChannel) -> None:
        self.name = f"rides-{new_name()}"
        self.dead = f"{self.name}-dead"
        self.channel = channel
        self._letters: dict[str, Any] = {}
        channel.queue_declare(self.dead)
        channel.queue_declare(
            self.name, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.dead}
        )

    def put(self, body: str, baggage: str | None) -> None:
        """Send a message past every wrapper."""
        headers = None if baggage is None else {"baggage": baggage}
        publish = inspect.unwrap(Channel.basic_publish)
        publish(self.channel._impl, "", self.name, body.encode(), pika.BasicProperties(headers=headers))
        self.size()  # an answer on the same channel: the message is in the queue

    def header(self, body: str) -> str | None:
        """The ``baggage`` header of the next message, which must be this one."""
        _, properties, content = self.channel.basic_get(self.name, auto_ack=True)
        assert properties is not None
        assert content == body.encode()
        return (properties.headers or {}).get("baggage")

    def dead_letter(self, body: str) -> Any:
        """Wait for a dead letter; returns its properties."""
        return eventually(lambda: self._letters.get(body) if self.has_dead_letter(body) else None)

    def has_dead_letter(self, body: str) -> bool:
        """Whether this message is a dead letter yet."""
        method, properties, content = self.channel.basic_get(self.dead, auto_ack=True)
        if method is not None and content is not None:
            self._letters[content.decode()] = properties
        return body in self._letters

    def size(self) -> int:
        """How many messages are ready in the queue."""
        return int(self.channel.queue_declare(self.name, passive=True).method.message_count)

    def delete(self) -> None:
        for queue in (self.name, self.dead):
            self.channel.queue_delete(queue)


@contextmanager
def queue_on(port: int) -> Iterator[Queue]:
    """A queue, with a channel of its own."""
    with channel_to(port) as channel:
        queue = Queue(channel)
        yield queue
        if channel.is_open:
            queue.delete()


class Refusals:
    """The reasons for which messages were refused, from the ledger."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._unsubscribe = ledger.subscribe(self._note)

    def _note(self, outcome: ledger.Outcome) -> None:
        if outcome.effect == ledger.ADMISSION and outcome.reason is not None:
            self.reasons.append(outcome.reason.value)

    def close(self) -> None:
        self._unsubscribe()


class Consumed(Handled):
    """A broker of the contract, but for how its client sends and consumes."""

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self.queue = queue
        self.refusals = Refusals()

    def send_raw(self, name: str, baggage: list[str]) -> None:
        self.queue.put(name, ",".join(baggage) or None)

    def refused(self, name: str) -> str:
        self.queue.dead_letter(name)
        assert name not in self.seen
        return self.refusals.reasons[-1]

    def close(self) -> None:
        self.refusals.close()
