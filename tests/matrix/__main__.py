"""Run one hop in its own process: ``python -m tests.matrix MODULE HOP none|contrib|native`` prints each outcome.

``MODULE`` is the module of the hop in ``hops``. Pass the addresses of the brokers that the hop needs as further
arguments, each as JSON. Without them, the process starts its own brokers.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import synthetic
from tests.matrix import hops
from tests.matrix.cases import Case, Hop
from tests.support import brokers
from tests.support.keys import shared_key


def modules() -> list[str]:
    """The names of all modules with hops."""
    return [module.name for module in pkgutil.iter_modules(hops.__path__)]


def hops_of(module: str) -> dict[str, Hop]:
    """The hops of a module, by their names."""
    return {hop.name: hop for hop in importlib.import_module(f"{hops.__name__}.{module}").HOPS}


def outcomes(hop: Hop, telemetry: str, addresses: Sequence[Any]) -> dict[str, str]:
    """Return the result of each case."""
    keys = shared_key()
    synthetic.configure(keys=keys, internal_hosts=["127.0.0.1", "localhost"])
    synthetic.instrument("logging")  # with no integration on, simulated work would be refused
    if telemetry != "none":
        hop.telemetry[telemetry]()
    with hop.servers(*addresses) as servers:
        # Two rounds, so that a leftover of one case would affect the next.
        rounds = [{case: hop.pass_on(Case(case, keys), servers) for case in hop.cases} for _ in range(2)]
    assert rounds[0] == rounds[1], rounds
    return rounds[0]


@contextmanager
def own(names: Sequence[str]) -> Iterator[list[Any]]:
    """Start these brokers and yield their addresses."""
    with ExitStack() as running:
        yield [running.enter_context(getattr(brokers, name)()) for name in names]


def main(module: str, name: str, telemetry: str, *given: str) -> None:
    # Import this hop only: together, the modules import every product.
    hop = hops_of(module)[name]
    with own(hop.brokers[len(given) :]) as others:
        print(json.dumps(outcomes(hop, telemetry, [*map(json.loads, given), *others])))


if __name__ == "__main__":
    main(*sys.argv[1:])
