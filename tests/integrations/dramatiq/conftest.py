"""Fixtures for the tests of dramatiq."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.products.dramatiq import RedisRides
from tests.support import work


@pytest.fixture
def on(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys)
    with work.instrumented("dramatiq"):
        yield


@pytest.fixture
def instrumented(configuration: None) -> Iterator[None]:
    with work.instrumented("dramatiq"):
        yield


@pytest.fixture
def rides(valkey_port: int) -> RedisRides:
    return RedisRides(valkey_port)
