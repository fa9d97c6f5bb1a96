"""dramatiq brokers in the tests, and workers on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends.stub import StubBackend

import synthetic
from tests.contract.messages import Seen, eventually
from tests.support.servers import PATIENCE


class Rides:
    """A broker with one queue and one actor, and what has become of its messages. Knows nothing of the library."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.queue_name = f"rides-{uuid4().hex}"
        self.results = StubBackend()
        broker.add_middleware(CurrentMessage())
        broker.add_middleware(Results(backend=self.results))
        self.seen: dict[str, Seen] = {}
        self.note = self.actor(self._note, "note", store_results=True)

    def actor(self, function: Callable[..., Any], name: str, **options: Any) -> Any:
        return dramatiq.actor(
            function, actor_name=name, broker=self.broker, queue_name=self.queue_name, **{"min_backoff": 1, **options}
        )

    def _note(self, name: str) -> None:
        self.tell(name)

    def tell(self, name: str) -> None:
        """Tell what the work at hand is, under this name."""
        message: Any = CurrentMessage.get_current_message()
        self.seen[name] = Seen.now(name, message.options.get("baggage"))

    def send(self, name: str, baggage: str | None = None) -> None:
        options = {} if baggage is None else {"baggage": baggage}
        self.note.send_with_options(args=(name,), **options)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        """Put it into the queue below of what enqueues."""
        message = self.raw(name, baggage)
        if isinstance(self.broker, RedisBroker):
            self.broker.do_enqueue(message.queue_name, message.options["redis_message_id"], message.encode())
        else:
            self.broker.declare_queue(message.queue_name, ensure=True)
            self.broker.channel.basic_publish("", message.queue_name, message.encode())

    def raw(self, name: str, baggage: list[str]) -> Any:
        options = {"redis_message_id": name, **({"baggage": baggage} if baggage else {})}
        message = self.note.message(name)
        return message.copy(message_id=name, options=options)

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: self.seen.get(name))
        return seen

    def refused(self, name: str) -> str:
        eventually(lambda: name in self.dead_letters() or None)
        assert name not in self.seen
        return self.reason(self.raw(name, []))

    def reason(self, message: Any) -> str:
        """What dramatiq keeps of the exception that a message was rejected for."""
        with_failure: list[str] = []
        try:
            self.results.get_result(message, block=True, timeout=60_000)
        except ResultFailure as error:
            with_failure.append(str(error))
        (text,) = with_failure
        assert "MessageSkipped: this message was not admitted (" in text, text
        return text.partition("admitted (")[2].partition(")")[0]

    def dead_letters(self) -> set[str]:
        """The ids of the messages that were rejected, at least once, until now."""
        raise NotImplementedError


class RedisRides(Rides):
    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(RedisBroker(port=port, **options))

    def dead_letters(self) -> set[str]:
        client: Any = self.broker.client
        return {key.decode() for key in client.hkeys(f"dramatiq:{self.queue_name}.XQ.msgs")}


class RabbitmqRides(Rides):
    def __init__(self, port: int) -> None:
        super().__init__(RabbitmqBroker(host="127.0.0.1", port=port, socket_timeout=PATIENCE, stack_timeout=PATIENCE))
        self._dead: set[str] = set()

    def dead_letters(self) -> set[str]:
        while (found := self.broker.channel.basic_get(f"{self.queue_name}.XQ", auto_ack=True))[0]:
            self._dead.add(dramatiq.Message.decode(found[2]).message_id)
        return self._dead


@contextmanager
def working(rides: Rides, threads: int = 4) -> Iterator[dramatiq.Worker]:
    """A worker on all queues of the broker, until the block ends."""
    worker = dramatiq.Worker(rides.broker, worker_timeout=10, worker_threads=threads)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
        rides.broker.close()
        assert not [thread for thread in threading.enumerate() if thread in worker.workers]


def a_name() -> str:
    return uuid4().hex


def runs(rides: Rides, *names: str) -> list[str | None]:
    """The runs that messages have seen, None for real ones."""
    seen = [rides.handled(name) for name in names]
    assert all(one.explicit for one in seen)
    return [one.run for one in seen]


def once_each(send: Callable[[str], Any]) -> tuple[str, str]:
    """Send in simulated work, and in real work; returns both names."""
    simulated, real = a_name(), a_name()
    with synthetic.simulated(run="peak"):
        send(simulated)
    with synthetic.real():
        send(real)
    return simulated, real
