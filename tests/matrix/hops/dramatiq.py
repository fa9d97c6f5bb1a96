"""dramatiq: a producer and the header of its message; a worker and what the actor saw, or a dead letter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import dramatiq

import synthetic
from synthetic_dramatiq import SyntheticTrafficMiddleware
from tests.contract.messages import eventually
from tests.integrations.dramatiq.workers import RabbitmqRides, RedisRides, Rides, working
from tests.matrix.cases import Case, Hop, judged, seen
from tests.support.brokers import valkey

Make = Callable[[int], Rides]


def _with_middleware(port: int) -> Rides:
    rides = RedisRides(port)
    rides.broker.add_middleware(SyntheticTrafficMiddleware())
    return rides


def _out(make: Make) -> Callable[[Case, int], str]:
    def pass_on(case: Case, port: int) -> str:
        synthetic.instrument("dramatiq")
        rides = make(port)
        try:
            with case.work() as baggage:
                rides.send("ride", baggage)
        except synthetic.UnverifiedMarker:
            return "refused"
        synthetic.uninstrument("dramatiq")
        try:
            (message,) = _taken(rides)
            header = message.options.get("baggage")
            return judged([] if header is None else [header])
        finally:
            rides.broker.close()

    return pass_on


def _taken(rides: Rides) -> list[dramatiq.Message[Any]]:
    consumer = rides.broker.consume(rides.queue_name, timeout=60_000)
    message: Any = next(consumer)
    consumer.ack(message)
    consumer.close()
    return [message]


def _in(make: Make, *, is_patched: bool = True) -> Callable[[Case, int], str]:
    def pass_on(case: Case, port: int) -> str:
        if is_patched:
            synthetic.instrument("dramatiq")
        rides = make(port)
        told: list[str] = []
        rides.note.fn = lambda name: told.append(seen())
        with working(rides):
            name = uuid4().hex
            rides.send_raw(name, case.headers())

            def outcome() -> str | None:
                return "refused" if name in rides.dead_letters() else told[0] if told else None

            known: str = eventually(outcome)
        assert told == ([] if known == "refused" else [known])
        return known

    return pass_on


HOPS: list[Hop] = [
    Hop("dramatiq on Redis, send", "dramatiq", _out(RedisRides), servers=valkey),
    Hop("dramatiq on Redis, actor", "dramatiq", _in(RedisRides), servers=valkey),
    Hop("dramatiq on Redis, actor, middleware", "dramatiq", _in(_with_middleware, is_patched=False), servers=valkey),
    Hop("dramatiq on RabbitMQ, send", "dramatiq", _out(RabbitmqRides), brokers=("rabbitmq",)),
    Hop("dramatiq on RabbitMQ, actor", "dramatiq", _in(RabbitmqRides), brokers=("rabbitmq",)),
]
