"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from synthetic._config.instrumented import INSTRUMENTED
from tests.benchmarks import asgi, clients, guards, hops, imports, marking, shedding, svg, throughput, verdict, wsgi
from tests.benchmarks.measure import FULL, QUICK, Effort
from tests.benchmarks.table import Row, markdown, missed, plain

Benchmarks: TypeAlias = dict[str, Callable[[Effort], Iterator[Row]]]

CORE: Benchmarks = {
    "asgi": asgi.requests,
    "wsgi": wsgi.requests,
    "foreign": asgi.foreign,
    "actors": asgi.many_actors,
    "new_token": asgi.new_tokens,
    "is_synthetic": verdict.asked,
    "guard": guards.called,
    "requests": clients.called,
    "throughput": throughput.served,
    "shedding": shedding.served,
    "import": imports.imported,
    "marking": marking.marked,
}
HOPS: Benchmarks = {
    module.name: importlib.import_module(f"{hops.__name__}.{module.name}").rows
    for module in pkgutil.iter_modules(hops.__path__)
}
BENCHMARKS = CORE | HOPS

_PACKAGES = (
    "synthetic-traffic",
    "opentelemetry-api",
    "opentelemetry-instrumentation-asgi",
    "asgi-correlation-id",
    "PyJWT",
    "cryptography",
    "wrapt",
    "requests",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
)


def main() -> int:
    """Measure, and print the table."""
    options = _parser().parse_args()
    effort = QUICK if options.quick else FULL
    found: dict[str, list[Row]] = {}
    # Each benchmark switches on what it measures, and nothing else. Simulated work must not be refused for that.
    INSTRUMENTED.add("benchmarks")
    for name in dict.fromkeys(options.only or BENCHMARKS):
        print(f"{name} ...", file=sys.stderr, flush=True)
        found[name] = list(BENCHMARKS[name](effort))
    print(_machine())
    for group in (CORE, HOPS):
        of_group = [row for name in found if name in group for row in found[name]]
        if of_group:
            print(f"\n{(markdown if options.markdown else plain)(of_group)}")
    rows = [row for some in found.values() for row in some]
    if options.svg:
        options.svg.write_text(svg.bars(rows), encoding="utf-8")
    misses = [row for row in rows if row.is_missed]
    if options.markdown and misses:
        print(f"\n{missed(misses)}")
    print(f"\n{len(misses)} of {sum(row.goal is not None for row in rows)} goals missed", file=sys.stderr)
    return 0


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores; {packages}."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="How long things take, against what users run today.",
        epilog="Example: python -m tests.benchmarks --quick --only is_synthetic guard",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=BENCHMARKS, help=f"measure only these: {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the repeats: seconds, and rougher numbers")
    parser.add_argument("--markdown", action="store_true", help="print the table as it stands in docs/performance.md")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the rows of times as bars, on a log scale")
    return parser


if __name__ == "__main__":
    sys.exit(main())
