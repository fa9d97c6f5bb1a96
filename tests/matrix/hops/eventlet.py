"""eventlet's green threads and native threads: the verdict on the other side."""

from __future__ import annotations

from tests.matrix.cases import Hop
from tests.matrix.greenlets import hop, patched_hop

PRODUCT = "eventlet"

HOPS: list[Hop] = [
    hop(PRODUCT, "spawn", "spawn"),
    hop(PRODUCT, "spawn_n", "spawn_n"),
    hop(PRODUCT, "spawn_after", "spawn_after"),
    hop(PRODUCT, "spawn_after_local", "spawn_after_local"),
    hop(PRODUCT, "GreenPool", "GreenPool.spawn"),
    hop(PRODUCT, "GreenPool.spawn_n", "GreenPool.spawn_n"),
    hop(PRODUCT, "GreenPile", "GreenPile"),
    hop(PRODUCT, "tpool.execute", "tpool.execute"),
    hop(PRODUCT, "tpool.Proxy", "tpool.Proxy, method"),
    patched_hop(PRODUCT, "patched thread", "Thread"),
    patched_hop(PRODUCT, "patched timer", "Timer"),
]
