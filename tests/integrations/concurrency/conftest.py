"""Fixtures for the tests of threads, executors and processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import synthetic
from tests.products.concurrency import ARRANGEMENTS, carried


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None) -> None:
    synthetic.configure(keys=keys)


@pytest.fixture(params=ARRANGEMENTS)
def arrangement(request: pytest.FixtureRequest) -> Iterator[None]:
    """The integration is on, alone or with OpenTelemetry's."""
    with carried(request.param):
        yield


@pytest.fixture
def alone() -> Iterator[None]:
    """The integration is on."""
    with carried():
        yield


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """A pool of one worker, which is not started yet: so all jobs share it."""
    with ThreadPoolExecutor(1) as pool:
        yield pool
