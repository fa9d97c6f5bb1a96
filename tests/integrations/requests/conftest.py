"""Fixtures for the tests of requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.products import requests as product
from tests.support import switches


@pytest.fixture
def instrumented() -> Iterator[None]:
    with switches.instrumented(product.NAME):
        yield
