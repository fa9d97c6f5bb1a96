"""Fixtures for the tests of RQ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.integrations.rq.workers import Jobs, connected


@pytest.fixture
def on(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys)
    synthetic.instrument("rq")
    yield
    synthetic.uninstrument("rq")


@pytest.fixture
def jobs(valkey_port: int) -> Iterator[Jobs]:
    with connected(valkey_port) as connection:
        yield Jobs(connection)
