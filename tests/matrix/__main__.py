"""Run one hop in a process of its own: ``python -m tests.matrix HOP none|contrib|native`` prints each outcome."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import synthetic
from tests.matrix import hops
from tests.matrix.cases import Case, Hop
from tests.support.keys import shared_key


def all_hops() -> dict[str, Hop]:
    """Every hop, by its name."""
    modules = (
        importlib.import_module(f"{hops.__name__}.{module.name}") for module in pkgutil.iter_modules(hops.__path__)
    )
    return {hop.name: hop for module in modules for hop in module.HOPS}


def outcomes(hop: Hop, telemetry: str) -> dict[str, str]:
    """What each case gave."""
    keys = shared_key()
    synthetic.configure(keys=keys, internal_hosts=["127.0.0.1", "localhost"])
    if telemetry != "none":
        hop.telemetry[telemetry]()
    with hop.servers() as servers:
        # Twice over: what one case leaves behind, the next one meets.
        rounds = [{case: hop.pass_on(Case(case, keys), servers) for case in hop.cases} for _ in range(2)]
    assert rounds[0] == rounds[1], rounds
    return rounds[0]


if __name__ == "__main__":
    print(json.dumps(outcomes(all_hops()[sys.argv[1]], sys.argv[2])))
