"""Shared by the benchmarks of messages, jobs and tasks: their four rows, and their cases. Nothing goes over a wire."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import entry, mint, shared_key
from tests.support.work import instrumented

Block = Callable[[], AbstractContextManager[Any]]
Cases = dict[str, Case]


class Sent(NamedTuple):
    """What sending is called, and its cases, given the block for its work."""

    what: str
    cases: Callable[[Block], Cases]


class Received(NamedTuple):
    """What receiving is called, and its cases, given the ``baggage`` header of the message."""

    what: str
    cases: Callable[[str | None], Cases]


def rows(title: str, peer: str, sent: Sent, received: Received, effort: Effort) -> Iterator[Row]:
    """Messages sent and received, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        for kind, work, baggage in (
            ("real", synthetic.real, None),
            ("simulated", partial(synthetic.simulated, run="bench"), entry(mint(keys))),
        ):
            yield _row(f"{title}, {sent.what}, {kind}: added time", peer, sent.cases(work), effort)
            yield _row(f"{title}, {received.what}, {kind}: added time", peer, received.cases(baggage), effort)


def _row(what: str, peer: str, cases: Cases, effort: Effort) -> Row:
    """The added time, against that of the peer; without a case for a peer, against the whole time of the bare one."""
    times = interleaved(cases, effort.rounds // 2)
    ours = times.added("ours", "bare")
    if "peer" not in cases:
        return Row(what, ours, peer, times.of("bare"))
    goal = at_most_one_in(10) if ", real:" in what else None
    return Row(what, ours, peer, times.added("peer", "bare"), goal)


def case(run: Callable[[int], float], *blocks: Block, number: int = 100, warm: int = 150) -> Case:
    """A case that is run inside of these blocks."""

    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            for block in blocks:
                stack.enter_context(block())
            yield

    return Case(run, around, number, warm)


def bare_and_ours(product: str, run: Callable[[int], float], work: Block = nullcontext, **numbers: int) -> Cases:
    """The same without the library and with it."""
    return {"bare": case(run, work, **numbers), "ours": case(run, work, partial(instrumented, product), **numbers)}


def awaited(step: Callable[[], Awaitable[Any]]) -> Callable[[int], float]:
    """Run ``step()`` to its end. It never waits, so it needs no event loop."""

    def run(number: int) -> float:
        start = time.process_time()
        for _ in range(number):
            try:
                step().__await__().send(None)
            except StopIteration:
                pass
        return time.process_time() - start

    return run
