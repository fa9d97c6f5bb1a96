"""Greenlets and native threads: the hops of tests/products/gevent.py and eventlet.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import synthetic
from tests.matrix.cases import Case, Hop, seen
from tests.matrix.monkey_patched import program

_IN_ONE_PROGRAM = ("real", "simulated", "forged")
"""The other cases need a header, and these hops have none."""


def hop(product: str, name: str, way: str) -> Hop:
    """In this process."""

    def pass_on(case: Case, _: Any) -> str:
        os.environ["EVENTLET_TESTS"] = "1"  # or eventlet warns
        ways = import_module(f"tests.products.{product}").HOPS
        synthetic.instrument(product)
        with case.work():
            return str(ways[way](seen))

    return Hop(f"{product}, {name}", product, pass_on, cases=_IN_ONE_PROGRAM)


def patched_hop(product: str, name: str, way: str) -> Hop:
    """A hop for threads, in a monkey-patched program."""

    def pass_on(case: Case, send: Callable[[Case], str]) -> str:
        return send(case)

    return Hop(f"{product}, {name}", product, pass_on, servers=lambda: program(product, way), cases=_IN_ONE_PROGRAM)
