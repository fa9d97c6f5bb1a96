"""Fixtures for the tests of dramatiq."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.integrations.dramatiq.workers import RedisRides


@pytest.fixture
def on(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys)
    synthetic.instrument("dramatiq")
    yield
    synthetic.uninstrument("dramatiq")


@pytest.fixture
def rides(valkey_port: int) -> RedisRides:
    return RedisRides(valkey_port)
