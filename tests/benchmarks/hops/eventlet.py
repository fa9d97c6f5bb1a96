"""eventlet's green threads and native threads: what each costs more."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.benchmarks.greenlets import nothing, rows_of
from tests.benchmarks.measure import Effort
from tests.benchmarks.table import Row


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated work, over each hop."""
    os.environ["EVENTLET_TESTS"] = "1"  # it warns of itself, wherever it is imported
    import eventlet
    import eventlet.tpool

    hops = {
        "eventlet.spawn, run and wait": lambda: eventlet.spawn(nothing).wait(),
        "eventlet.spawn_n, run": lambda: (eventlet.spawn_n(nothing), eventlet.sleep(0)),
        "eventlet.tpool.execute": lambda: eventlet.tpool.execute(nothing),
    }
    return rows_of("eventlet", hops, effort)
