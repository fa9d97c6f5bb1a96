"""What several benchmarks compare: real and simulated work; bare, with this library, and with OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import shared_key
from tests.support.switches import by_opentelemetry, instrumented

Entered = Callable[[], AbstractContextManager[Any]]

WORKS: dict[str, Entered] = {
    "real": synthetic.real,
    "simulated": lambda: synthetic.simulated(run="bench"),
}
"""Both kinds of work, and how to begin them."""


def added(what: str, kind: str, peer: str, cases: dict[str, Case], rounds: int, one_in: int = 10) -> Row:
    """A row with the times that the cases "ours" and "peer" add to "bare". Real work has a goal."""
    times = interleaved(cases, rounds)
    goal = at_most_one_in(one_in) if kind == "real" else None
    ours, theirs = (times.added(name, "bare") for name in ("ours", "peer"))
    return Row(f"{what}, {kind}: added time", ours, peer, theirs, goal)


def each_of(batch: int, run: Callable[[int], float], around: Entered = nullcontext) -> Case:
    """A case that handles a whole ``batch`` at once. Its times are those of each of the batch."""
    return Case(lambda number: run(max(1, number // batch)), around, number=batch, warm=batch)


def around(*contexts: Entered) -> Entered:
    """Enter all of these for each sample, in this order."""

    @contextmanager
    def entered() -> Iterator[None]:
        with ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context())
            yield

    return entered


def ways(product: str, instrumentor: Callable[[], Any]) -> dict[str, tuple[Entered, ...]]:
    """What each case of ``interleaved`` has around it: nothing, this library, or OpenTelemetry."""
    return {
        "bare": (),
        "ours": (lambda: instrumented(product),),
        "peer": (lambda: by_opentelemetry(instrumentor),),
    }


def rows_of_calls(
    name: str,
    product: str,
    calls: Callable[[], Callable[[int], float]],
    instrumentor: Callable[[], Any],
    peer: str,
    effort: Effort,
) -> Iterator[Row]:
    """Real and simulated calls of a client; ``calls`` makes the ``run`` of a case."""
    with synthetic.configured(keys=shared_key()):
        for kind, verdict in WORKS.items():
            cases = {
                way: Case(calls(), around(verdict, *switched_on), number=60, warm=200)
                for way, switched_on in ways(product, instrumentor).items()
            }
            yield added(name, kind, peer, cases, effort.rounds // 2)
