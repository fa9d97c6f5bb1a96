"""eventlet's green threads and native threads: what the work on the other side is."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import synthetic
from tests.integrations.monkey_patched import program
from tests.matrix.cases import Case, Hop, seen

_IN_ONE_PROGRAM = ("real", "simulated", "forged")
"""There is no header that anybody could write."""


def _hop(name: str, hop: str) -> Hop:
    """One of tests/integrations/eventlet_hops.py."""

    def pass_on(case: Case, _: Any) -> str:
        os.environ["EVENTLET_TESTS"] = "1"  # it warns of itself
        from tests.integrations.eventlet_hops import HOPS as ways

        synthetic.instrument("eventlet")
        with case.work():
            return str(ways[hop](seen))

    return Hop(name, "eventlet", pass_on, cases=_IN_ONE_PROGRAM)


def _patched(name: str, hop: str) -> Hop:
    """One of those for threads, in a monkey-patched program."""

    def pass_on(case: Case, send: Callable[[Case], str]) -> str:
        return send(case)

    return Hop(name, "eventlet", pass_on, servers=lambda: program("eventlet", hop), cases=_IN_ONE_PROGRAM)


HOPS: list[Hop] = [
    _hop("eventlet, spawn", "spawn"),
    _hop("eventlet, spawn_n", "spawn_n"),
    _hop("eventlet, spawn_after", "spawn_after"),
    _hop("eventlet, spawn_after_local", "spawn_after_local"),
    _hop("eventlet, GreenPool", "GreenPool.spawn"),
    _hop("eventlet, GreenPool.spawn_n", "GreenPool.spawn_n"),
    _hop("eventlet, GreenPile", "GreenPile"),
    _hop("eventlet, tpool.execute", "tpool.execute"),
    _hop("eventlet, tpool.Proxy", "tpool.Proxy, method"),
    _patched("eventlet, patched thread", "Thread"),
    _patched("eventlet, patched timer", "Timer"),
]
