"""Fixtures for the tests of aio-pika."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeAlias

import pytest

import synthetic
import synthetic_aio_pika._refusal
from synthetic._work.state import current_verdict
from tests.products import aio_pika
from tests.products.rabbitmq import Queue, queue_on
from tests.support.work import instrumented

Run: TypeAlias = Callable[[Callable[[Any], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture(autouse=True)
def on(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    synthetic.configure(keys=keys)
    monkeypatch.setattr(synthetic_aio_pika._refusal, "PAUSE", 0.05)
    with instrumented("aio-pika"):
        yield


@pytest.fixture
def queue(rabbitmq_port: int) -> Iterator[Queue]:
    with queue_on(rabbitmq_port) as queue:
        yield queue


@pytest.fixture
def run(rabbitmq_port: int) -> Run:
    """Runs a coroutine function with a channel, and checks that it leaves no verdict behind."""

    def run(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        async def checked(channel: Any) -> Any:
            given = await function(channel)
            assert current_verdict() is None
            return given

        return aio_pika.run(rabbitmq_port, checked, on_return_raises=True)

    return run
