"""dramatiq: a producer and the header of its message; a worker and what the actor saw, or a dead letter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import synthetic
from tests.contract.messages import eventually
from tests.matrix.cases import Case, Hop, judged, seen
from tests.products.dramatiq import RabbitmqRides, RedisRides, Rides, with_middleware, working
from tests.support.brokers import valkey
from tests.support.work import new_name

Make = Callable[[int], Rides]


def _out(make: Make, case: Case, port: int) -> str:
    synthetic.instrument("dramatiq")
    rides = make(port)
    try:
        with case.work() as baggage:
            rides.send("ride", baggage)
    except synthetic.UnverifiedMarker:
        return "refused"
    synthetic.uninstrument("dramatiq")
    try:
        header = _taken(rides).options.get("baggage")
        return judged([] if header is None else [header])
    finally:
        rides.broker.close()


def _taken(rides: Rides) -> Any:
    """Take the one message out of the queue."""
    consumer = rides.broker.consume(rides.queue_name, timeout=60_000)
    message = next(consumer)
    consumer.ack(message)
    consumer.close()
    return message


def _in(make: Make, case: Case, port: int, *, is_patched: bool = True) -> str:
    if is_patched:
        synthetic.instrument("dramatiq")
    rides = make(port)
    told: list[str] = []
    rides.ride.fn = lambda name: told.append(seen())
    with working(rides):
        rides.send_raw(name := new_name(), case.headers())
        eventually(lambda: told or name in rides.dead_letters() or None)
        known = "refused" if name in rides.dead_letters() else told[0]
    assert told == ([] if known == "refused" else [known])
    return known


_redis = partial(Hop, product="dramatiq", servers=valkey)
_rabbitmq = partial(Hop, product="dramatiq", brokers=("rabbitmq",))
_middleware = partial(_in, lambda port: with_middleware(RedisRides(port)), is_patched=False)

HOPS: list[Hop] = [
    _redis("dramatiq on Redis, send", pass_on=partial(_out, RedisRides)),
    _redis("dramatiq on Redis, actor", pass_on=partial(_in, RedisRides)),
    _redis("dramatiq on Redis, actor, middleware", pass_on=_middleware),
    _rabbitmq("dramatiq on RabbitMQ, send", pass_on=partial(_out, RabbitmqRides)),
    _rabbitmq("dramatiq on RabbitMQ, actor", pass_on=partial(_in, RabbitmqRides)),
]
