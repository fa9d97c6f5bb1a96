"""http.client and urllib.request: a client, and the header that arrived."""

from __future__ import annotations

from tests.matrix.cases import Hop
from tests.matrix.clients import client_hop
from tests.products import http_client as product

HOPS: list[Hop] = [
    client_hop("urllib.request, client", product.NAME, product.get, product.instrumentor),
    client_hop("http.client, client", product.NAME, product.get_by_connection),
]
