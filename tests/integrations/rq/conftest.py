"""Fixtures for the tests of RQ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.products.rq.workers import Jobs, jobs_on
from tests.support.work import instrumented


@pytest.fixture
def on(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys)
    with instrumented("rq"):
        yield


@pytest.fixture
def jobs(valkey_port: int) -> Iterator[Jobs]:
    with jobs_on(valkey_port) as jobs:
        yield jobs
