"""requests: a session, and the header that arrived."""

from __future__ import annotations

from tests.matrix.cases import Hop
from tests.matrix.clients import client_hop
from tests.products import requests as product

HOPS: list[Hop] = [client_hop("requests, session", product.NAME, product.get, product.instrumentor)]
