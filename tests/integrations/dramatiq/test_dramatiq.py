"""dramatiq against the contract: instrumented, and with the middleware; on Redis, and on RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import synthetic
from synthetic_dramatiq import SyntheticTrafficMiddleware
from tests.contract.messages import Broker, MessageContract
from tests.integrations.dramatiq.workers import RabbitmqRides, RedisRides, working


@pytest.fixture
def instrumented() -> Iterator[None]:
    synthetic.instrument("dramatiq")
    yield
    synthetic.uninstrument("dramatiq")


class TestRedis(MessageContract):
    our_part = "synthetic_dramatiq._headers.dispatch"

    @pytest.fixture
    def broker(self, valkey_port: int, configuration: None, instrumented: None) -> Iterator[Broker]:
        rides = RedisRides(valkey_port)
        with working(rides):
            yield rides


class TestRabbitmq(MessageContract):
    our_part = "synthetic_dramatiq._headers.dispatch"

    @pytest.fixture
    def broker(self, rabbitmq_port: int, configuration: None, instrumented: None) -> Iterator[Broker]:
        rides = RabbitmqRides(rabbitmq_port)
        with working(rides):
            yield rides


class TestMiddlewareOnRedis(MessageContract):
    our_part = "synthetic_dramatiq._headers.dispatch"

    @pytest.fixture
    def broker(self, valkey_port: int, configuration: None) -> Iterator[Broker]:
        rides = RedisRides(valkey_port)
        rides.broker.add_middleware(SyntheticTrafficMiddleware())
        with working(rides):
            yield rides


class TestMiddlewareOnRabbitmq(MessageContract):
    our_part = "synthetic_dramatiq._headers.dispatch"

    @pytest.fixture
    def broker(self, rabbitmq_port: int, configuration: None) -> Iterator[Broker]:
        rides = RabbitmqRides(rabbitmq_port)
        rides.broker.add_middleware(SyntheticTrafficMiddleware())
        with working(rides):
            yield rides
