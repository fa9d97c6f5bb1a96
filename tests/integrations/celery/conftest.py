"""Fixtures for the tests of Celery, of which several modules share the workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.products.celery.workers import Workers
from tests.support.keys import shared_key
from tests.support.work import instrumented

Keys = dict[str, Any]


@pytest.fixture(scope="session")
def worker_keys() -> Keys:
    """The keys of workers: they live longer than a test."""
    return shared_key()


@pytest.fixture(scope="session")
def workers(valkey_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    workers = Workers(f"redis://127.0.0.1:{valkey_port}", tmp_path_factory.mktemp("workers"))
    yield workers
    workers.close()


@pytest.fixture
def celery_instrumented() -> Iterator[None]:
    with instrumented("celery"):
        yield


@pytest.fixture
def over_redis(valkey_port: int) -> str:
    return f"redis://127.0.0.1:{valkey_port}/0"


@pytest.fixture
def over_rabbitmq(rabbitmq_port: int) -> str:
    return f"amqp://guest:guest@127.0.0.1:{rabbitmq_port}//"
