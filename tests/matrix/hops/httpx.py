"""httpx and httpx2: a synchronous and an asynchronous client, and the header that arrived."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from tests.matrix.cases import Hop
from tests.matrix.clients import client_hop
from tests.products.httpx import product as product_named


def _hops() -> Iterator[Hop]:
    for name in ("httpx", "httpx2"):
        if find_spec(name) is None:
            continue  # httpx2 needs Python 3.11
        product = product_named(name)
        yield client_hop(f"{name}, client", name, product.get, product.instrumentor)
        yield client_hop(f"{name}, asynchronous client", name, product.get_async, product.instrumentor)


HOPS: list[Hop] = list(_hops())
