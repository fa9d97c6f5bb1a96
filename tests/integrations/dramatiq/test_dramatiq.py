"""dramatiq against the contract: instrumented, and with the middleware; on Redis, and on RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.messages import Broker, MessageContract
from tests.products.dramatiq import RabbitmqRides, RedisRides, with_middleware, working


class DramatiqContract(MessageContract):
    our_part = "synthetic_dramatiq._headers.dispatch"


class TestRedis(DramatiqContract):
    @pytest.fixture
    def broker(self, valkey_port: int, instrumented: None) -> Iterator[Broker]:
        with working(RedisRides(valkey_port)) as rides:
            yield rides


class TestRabbitmq(DramatiqContract):
    @pytest.fixture
    def broker(self, rabbitmq_port: int, instrumented: None) -> Iterator[Broker]:
        with working(RabbitmqRides(rabbitmq_port)) as rides:
            yield rides


class TestMiddlewareOnRedis(DramatiqContract):
    @pytest.fixture
    def broker(self, valkey_port: int, configuration: None) -> Iterator[Broker]:
        with working(with_middleware(RedisRides(valkey_port))) as rides:
            yield rides


class TestMiddlewareOnRabbitmq(DramatiqContract):
    @pytest.fixture
    def broker(self, rabbitmq_port: int, configuration: None) -> Iterator[Broker]:
        with working(with_middleware(RabbitmqRides(rabbitmq_port))) as rides:
            yield rides
