"""Greenlets and native threads: what each costs more.

OpenTelemetry has nothing for them: the peer is the same without us, and there is no goal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row
from tests.support.keys import shared_key

_PEER = "the same without this library"


def rows_of(product: str, hops: Mapping[str, Callable[[], Any]], effort: Effort) -> Iterator[Row]:
    """Real and simulated work, over each hop."""

    def ours() -> AbstractContextManager[None]:
        return _switched_on(product)

    with synthetic.configured(keys=shared_key()):
        for kind, verdict in (("real", synthetic.real), ("simulated", lambda: synthetic.simulated(run="bench"))):
            for what, do in hops.items():
                cases = {"bare": _case(do, verdict, nullcontext), "ours": _case(do, verdict, ours)}
                times = interleaved(cases, effort.rounds // 8)
                yield Row(f"{what}, {kind}: added time", times.added("ours", "bare"), _PEER, times.of("bare"))


def nothing() -> None:
    """The work."""


def _case(
    do: Callable[[], Any], verdict: Callable[[], Any], installed: Callable[[], AbstractContextManager[Any]]
) -> Case:
    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(verdict())
            stack.enter_context(installed())
            yield

    return Case(statement("do()", do=do), around, number=100, warm=100)


@contextmanager
def _switched_on(product: str) -> Iterator[None]:
    synthetic.instrument(product)
    try:
        yield
    finally:
        synthetic.uninstrument(product)
