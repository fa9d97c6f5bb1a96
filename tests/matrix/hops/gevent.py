"""gevent's greenlets and native threads: the verdict on the other side."""

from __future__ import annotations

from tests.matrix.cases import Hop
from tests.matrix.greenlets import hop, patched_hop

PRODUCT = "gevent"

HOPS: list[Hop] = [
    hop(PRODUCT, "spawn", "spawn"),
    hop(PRODUCT, "spawn_later", "spawn_later"),
    hop(PRODUCT, "spawn_raw", "spawn_raw"),
    hop(PRODUCT, "Greenlet subclass", "subclass"),
    hop(PRODUCT, "Group", "Group.spawn"),
    hop(PRODUCT, "Pool", "Pool.spawn"),
    hop(PRODUCT, "Pool.imap_unordered", "Pool.imap_unordered"),
    hop(PRODUCT, "callback of apply_async", "Pool.apply_async, callback"),
    hop(PRODUCT, "ThreadPool", "threadpool.spawn"),
    hop(PRODUCT, "ThreadPoolExecutor", "ThreadPoolExecutor"),
    patched_hop(PRODUCT, "patched thread", "Thread"),
    patched_hop(PRODUCT, "patched timer", "Timer"),
]
