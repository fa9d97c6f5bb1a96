"""Fixtures for the tests of Locust."""

from __future__ import annotations

import synthetic_locust.testing  # first: it keeps Locust from patching the process

# isort: split
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.products.locust.runs import Runs, Service, runs, service

assert synthetic_locust.testing


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    """The service, for one test."""
    with service(tmp_path) as started:
        yield started


@pytest.fixture
def own_runs(own_service: Service, tmp_path: Path) -> Iterator[Runs]:
    """Runs against the service of this test."""
    with runs(tmp_path, own_service.url) as started:
        yield started
