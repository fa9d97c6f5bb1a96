"""What this library adds to a bare call, compared with what OpenTelemetry's instrumentation adds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import synthetic
from tests.benchmarks.measure import Case, interleaved
from tests.benchmarks.table import Row, at_most_one_in

WORKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "real": synthetic.real,
    "simulated": lambda: synthetic.simulated(run="bench"),
}
"""Both kinds of work, and how to begin them."""


def added(what: str, kind: str, peer: str, cases: dict[str, Case], rounds: int) -> Row:
    """A row with the times that the cases "ours" and "peer" add to "bare". Real work has a goal."""
    times = interleaved(cases, rounds)
    goal = at_most_one_in(10) if kind == "real" else None
    ours, theirs = (times.added(name, "bare") for name in ("ours", "peer"))
    return Row(f"{what}, {kind}: added time", ours, peer, theirs, goal)
