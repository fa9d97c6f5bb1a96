"""gevent's greenlets and native threads: what the work on the other side is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import synthetic
from tests.integrations.monkey_patched import program
from tests.matrix.cases import Case, Hop, seen

_IN_ONE_PROGRAM = ("real", "simulated", "forged")
"""There is no header that anybody could write."""


def _hop(name: str, hop: str) -> Hop:
    """One of tests/integrations/gevent_hops.py."""

    def pass_on(case: Case, _: Any) -> str:
        from tests.integrations.gevent_hops import HOPS as ways

        synthetic.instrument("gevent")
        with case.work():
            return str(ways[hop](seen))

    return Hop(name, "gevent", pass_on, cases=_IN_ONE_PROGRAM)


def _patched(name: str, hop: str) -> Hop:
    """One of those for threads, in a monkey-patched program."""

    def pass_on(case: Case, send: Callable[[Case], str]) -> str:
        return send(case)

    return Hop(name, "gevent", pass_on, servers=lambda: program("gevent", hop), cases=_IN_ONE_PROGRAM)


HOPS: list[Hop] = [
    _hop("gevent, spawn", "spawn"),
    _hop("gevent, spawn_later", "spawn_later"),
    _hop("gevent, spawn_raw", "spawn_raw"),
    _hop("gevent, Greenlet subclass", "subclass"),
    _hop("gevent, Group", "Group.spawn"),
    _hop("gevent, Pool", "Pool.spawn"),
    _hop("gevent, Pool.imap_unordered", "Pool.imap_unordered"),
    _hop("gevent, callback of apply_async", "Pool.apply_async, callback"),
    _hop("gevent, ThreadPool", "threadpool.spawn"),
    _hop("gevent, ThreadPoolExecutor", "ThreadPoolExecutor"),
    _patched("gevent, patched thread", "Thread"),
    _patched("gevent, patched timer", "Timer"),
]
