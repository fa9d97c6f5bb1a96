"""Greenlets and native threads: what each costs more.

OpenTelemetry has nothing for them: the peer is the same without us, and there is no goal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import synthetic
from tests.benchmarks.compared import WORKS
from tests.benchmarks.measure import Case, Effort, interleaved, statement, together
from tests.benchmarks.table import Row
from tests.support.keys import shared_key
from tests.support.switches import instrumented

_PEER = "the same without this library"


def rows_of(product: str, hops: Mapping[str, Callable[[], Any]], effort: Effort) -> Iterator[Row]:
    """Real and simulated work, over each hop."""
    switches = {"bare": nullcontext, "ours": partial(instrumented, product)}
    with synthetic.configured(keys=shared_key()):
        for kind, verdict in WORKS.items():
            for what, do in hops.items():
                run = statement("do()", do=do)
                cases = {name: Case(run, together(verdict, on), number=100, warm=100) for name, on in switches.items()}
                times = interleaved(cases, effort.rounds // 8)
                yield Row(f"{what}, {kind}: added time", times.added("ours", "bare"), _PEER, times.of("bare"))


def nothing() -> None:
    """The work."""
