"""What the tests of AMQP clients share: queues with a dead-letter queue behind them, and a sender who knows nothing."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel

from synthetic import ledger
from tests.contract.messages import eventually
from tests.docs.pages import PROJECT, blocks_of
from tests.support.servers import PATIENCE


def parameters(port: int) -> pika.ConnectionParameters:
    return pika.ConnectionParameters("127.0.0.1", port, socket_timeout=PATIENCE, stack_timeout=PATIENCE)


@contextmanager
def channel_to(port: int) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(parameters(port)) as connection:
        yield connection.channel()


class Queue:
    """A queue of its own, and the dead letters of what is rejected there."""

    def __init__(self, channel: BlockingChannel) -> None:
        self.name = f"rides-{uuid4().hex}"
        self.dead = f"{self.name}-dead"
        self._channel = channel
        self._letters: dict[str, Any] = {}
        channel.queue_declare(self.dead)
        channel.queue_declare(
            self.name, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.dead}
        )

    def put(self, body: str, baggage: str | None, *, queue: str | None = None) -> None:
        """Send a message past every wrapper."""
        headers = None if baggage is None else {"baggage": baggage}
        publish = inspect.unwrap(Channel.basic_publish)
        publish(self._channel._impl, "", queue or self.name, body.encode(), pika.BasicProperties(headers=headers))
        self.size()  # an answer on the same channel: the message is in the queue

    def dead_letter(self, body: str) -> Any:
        """Wait for a dead letter; returns its properties."""
        return eventually(lambda: self._letters.get(body) if self.has_dead_letter(body) else None)

    def has_dead_letter(self, body: str) -> bool:
        """Whether there is one by now."""
        method, properties, content = self._channel.basic_get(self.dead, auto_ack=True)
        if method is not None and content is not None:
            self._letters[content.decode()] = properties
        return body in self._letters

    def size(self) -> int:
        """How many messages are ready in the queue."""
        return int(self._channel.queue_declare(self.name, passive=True).method.message_count)

    def delete(self) -> None:
        for queue in (self.name, self.dead):
            self._channel.queue_delete(queue)


class Refusals:
    """The reasons for which messages were refused, as the ledger has them."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._unsubscribe = ledger.subscribe(self._note)

    def _note(self, outcome: ledger.Outcome) -> None:
        if outcome.effect == ledger.ADMISSION and outcome.reason is not None:
            self.reasons.append(outcome.reason.value)

    def close(self) -> None:
        self._unsubscribe()


def names_of_page(name: str) -> dict[str, Any]:
    """What the examples of a page define: they need a channel, which the tests of the documentation have not."""
    names: dict[str, Any] = {}
    for block in blocks_of(PROJECT / "docs" / "integrations" / name):
        if block.language == "python":
            exec(compile(block.text.replace('synthetic.configure(keys="shared.jwks")\n', ""), name, "exec"), names)
    return names
