"""Fixtures for the tests of httpx and httpx2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.products.httpx import Product
from tests.products.httpx import product as product_named


@pytest.fixture(params=["httpx", "httpx2"])
def product(request: pytest.FixtureRequest) -> Product:
    return product_named(request.param)


@pytest.fixture
def instrumented(product: Product) -> Iterator[None]:
    with product.instrumented():
        yield


@pytest.fixture
def client(product: Product, instrumented: None) -> Iterator[Any]:
    with product.library.Client(transport=product.transport()) as client:
        yield client
