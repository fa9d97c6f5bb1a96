"""urllib3: a client, and the header that arrived."""

from __future__ import annotations

from tests.matrix.cases import Hop
from tests.matrix.clients import client_hop
from tests.products import urllib3 as product

HOPS: list[Hop] = [client_hop("urllib3, client", product.NAME, product.get, product.instrumentor)]
