"""gevent's greenlets and native threads: what each costs more."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import gevent.threadpool

from tests.benchmarks.greenlets import nothing, rows_of
from tests.benchmarks.measure import Effort
from tests.benchmarks.table import Row


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated work, over each hop."""
    threads = gevent.get_hub().threadpool
    hops = {
        "gevent.spawn, run and join": lambda: gevent.spawn(nothing).join(),
        "gevent.spawn_raw, run": lambda: (gevent.spawn_raw(nothing), gevent.sleep(0)),
        "gevent ThreadPool.apply": lambda: threads.apply(nothing),
    }
    return rows_of("gevent", hops, effort)
