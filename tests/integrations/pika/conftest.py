"""Fixtures for the tests of pika."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

import synthetic
from tests.products.rabbitmq import Queue, queue_on
from tests.support.work import instrumented


@pytest.fixture(autouse=True)
def on(keys: dict[str, Any]) -> Iterator[None]:
    synthetic.configure(keys=keys)
    with instrumented("pika"):
        yield


@pytest.fixture
def queue(rabbitmq_port: int) -> Iterator[Queue]:
    with queue_on(rabbitmq_port) as queue:
        yield queue


@pytest.fixture
def channel(queue: Queue) -> BlockingChannel:
    return queue.channel
