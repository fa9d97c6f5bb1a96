"""Celery, with real workers, pools and brokers: the contract for messages."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from celery import Celery

from synthetic._config.in_force import active
from synthetic_celery import TaskRefused
from tests.contract.messages import Broker, MessageContract, Seen, eventually, in_a_bare_thread
from tests.products.celery.app import Notes
from tests.products.celery.workers import Workers, dead_letter, having, send_raw

Keys = dict[str, Any]


pytestmark = pytest.mark.usefixtures("celery_instrumented")


class CeleryBroker:
    """Sends to one queue; ``dead`` says whether the broker keeps what is rejected."""

    def __init__(self, app: Celery, notes: Notes, *, dead: bool) -> None:
        self._app = app
        self._notes = notes
        self._dead = dead

    def send(self, name: str, baggage: str | None = None) -> None:
        headers = None if baggage is None else {"baggage": baggage}
        self._app.tasks["report"].apply_async((name,), task_id=name, headers=headers)

    def send_raw(self, name: str, baggage: list[str]) -> None:
        in_a_bare_thread(send_raw, self._app, name, {"baggage": ",".join(baggage)} if baggage else {})

    def handled(self, name: str) -> Seen:
        return Seen(**self._notes.next(name))

    def refused(self, name: str) -> str:
        with pytest.raises(TaskRefused) as refused:
            self._app.AsyncResult(name).get(timeout=60)
        if self._dead:
            eventually(lambda: dead_letter(self._app, name))
        return refused.value.reason.value


class CeleryContract(MessageContract):
    our_part = "synthetic_celery._out.departing"

    pool: ClassVar[str]

    @pytest.fixture
    def keys(self, worker_keys: Keys) -> Keys:
        return worker_keys

    @pytest.fixture
    def address(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def broker(self, address: str, workers: Workers, worker_keys: Keys) -> Broker:
        return _Routed(address, self.pool, workers, worker_keys)


class _Routed:
    """Sends to a worker that is configured as the test is: with keys, or without."""

    def __init__(self, address: str, pool: str, workers: Workers, keys: Keys) -> None:
        self._address, self._pool, self._workers, self._keys = address, pool, workers, keys

    def __getattr__(self, name: str) -> Any:
        has_keys = active().keys.current() is not None
        transport, _, _ = self._address.partition(":")
        pool = self._pool if has_keys else "solo"
        settings = having(self._keys if has_keys else None, halt="stopped")
        app = self._workers.start(self._address, f"{transport}-{pool}", pool, settings)
        return getattr(CeleryBroker(app, self._workers.notes, dead=transport == "amqp"), name)


class OverRabbitMQ(CeleryContract):
    @pytest.fixture
    def address(self, over_rabbitmq: str) -> str:
        return over_rabbitmq


class OverRedis(CeleryContract):
    @pytest.fixture
    def address(self, over_redis: str) -> str:
        return over_redis


class TestRabbitMQWithProcesses(OverRabbitMQ):
    pool = "prefork"


class TestRabbitMQWithThreads(OverRabbitMQ):
    pool = "threads"


class TestRedisWithProcesses(OverRedis):
    pool = "prefork"


class TestRedisWithThreads(OverRedis):
    pool = "threads"
