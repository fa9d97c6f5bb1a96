"""dramatiq: brokers on Redis and on RabbitMQ, and workers on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends.stub import StubBackend

from tests.contract.messages import Handled, eventually
from tests.support.servers import PATIENCE
from tests.support.work import new_name


class Rides(Handled):
    """A broker with one queue and one actor, and what has become of its messages. Knows nothing of the library."""

    def __init__(self, broker: Any) -> None:
        super().__init__()
        self.broker = broker
        self.queue_name = f"rides-{new_name()}"
        self.results = StubBackend()
        broker.add_middleware(CurrentMessage())
        broker.add_middleware(Results(backend=self.results))
        self.ride = self.actor(self._ride, "note", store_results=True)

    def actor(self, function: Callable[..., Any], name: str, **options: Any) -> Any:
        return dramatiq.actor(
            function, actor_name=name, broker=self.broker, queue_name=self.queue_name, **{"min_backoff": 1, **options}
        )

    def _ride(self, name: str) -> None:
        self.tell(name)

    def tell(self, name: str) -> None:
        """Note under this name what work this is."""
        message: Any = CurrentMessage.get_current_message()
        self.note(name, message.options.get("baggage"))

    def send(self, name: str, baggage: str | None = None) -> None:
        options = {} if baggage is None else {"baggage": baggage}
        self.ride.send_with_options(args=(name,), **options)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        """Put it into the queue past every wrapper."""
        self.put(self.raw(name, baggage))

    def put(self, message: Any) -> None:
        raise NotImplementedError

    def raw(self, name: str, baggage: list[str]) -> Any:
        options = {"redis_message_id": name, **({"baggage": baggage} if baggage else {})}
        message = self.ride.message(name)
        return message.copy(message_id=name, options=options)

    def refused(self, name: str) -> str:
        eventually(lambda: name in self.dead_letters() or None)
        assert name not in self.seen
        return self.reason(self.raw(name, []))

    def reason(self, message: Any) -> str:
        """What dramatiq keeps of the exception that a message was rejected for."""
        text = ""
        try:
            self.results.get_result(message, block=True, timeout=60_000)
        except ResultFailure as error:
            text = str(error)
        assert "MessageSkipped: this message was not admitted (" in text, text
        return text.partition("admitted (")[2].partition(")")[0]

    def dead_letters(self) -> set[str]:
        """The ids of the messages that were rejected so far."""
        raise NotImplementedError


class RedisRides(Rides):
    def __init__(self, port: int) -> None:
        super().__init__(RedisBroker(port=port))

    def put(self, message: Any) -> None:
        self.broker.do_enqueue(message.queue_name, message.options["redis_message_id"], message.encode())

    def dead_letters(self) -> set[str]:
        client: Any = self.broker.client
        return {key.decode() for key in client.hkeys(f"dramatiq:{self.queue_name}.XQ.msgs")}


class RabbitmqRides(Rides):
    def __init__(self, port: int) -> None:
        super().__init__(RabbitmqBroker(host="127.0.0.1", port=port, socket_timeout=PATIENCE, stack_timeout=PATIENCE))
        self._dead: set[str] = set()

    def put(self, message: Any) -> None:
        self.broker.declare_queue(message.queue_name, ensure=True)
        self.broker.channel.basic_publish("", message.queue_name, message.encode())

    def dead_letters(self) -> set[str]:
        while (found := self.broker.channel.basic_get(f"{self.queue_name}.XQ", auto_ack=True))[0]:
            self._dead.add(dramatiq.Message.decode(found[2]).message_id)
        return self._dead


def with_middleware(rides: Rides) -> Rides:
    """Add the library's middleware, which needs no patches."""
    from synthetic_dramatiq import SyntheticTrafficMiddleware

    rides.broker.add_middleware(SyntheticTrafficMiddleware())
    return rides


@contextmanager
def working(rides: Rides, threads: int = 4) -> Iterator[Rides]:
    """A worker on all queues of the broker, until the block ends."""
    worker = dramatiq.Worker(rides.broker, worker_timeout=10, worker_threads=threads)
    worker.start()
    try:
        yield rides
    finally:
        worker.stop()
        rides.broker.close()
        assert not [thread for thread in threading.enumerate() if thread in worker.workers]
