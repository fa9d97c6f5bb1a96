"""``import synthetic``, beside the import of what it stands on: in a fresh process each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.measure import Case, Effort, interleaved
from tests.benchmarks.table import Row, at_most

_OURS = "synthetic"
_PEER = "opentelemetry.baggage, wrapt"


def imported(effort: Effort) -> Iterator[Row]:
    """The time of the import alone, without the start of the interpreter."""
    cases = {modules: Case(lambda _, modules=modules: _seconds(modules), number=1) for modules in (_OURS, _PEER)}
    for case in cases.values():
        case.run(1)  # compiles, and brings the files into memory
    times = interleaved(cases, effort.processes)
    yield Row(f"import {_OURS}", times.of(_OURS), f"import {_PEER}", times.of(_PEER), at_most(1.3))


def _seconds(modules: str) -> float:
    code = f"from time import perf_counter; start = perf_counter(); import {modules}; print(perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True).stdout)
