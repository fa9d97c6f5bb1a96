"""gevent's greenlets and native threads: what each costs more.

OpenTelemetry has nothing for them: the peer is the same without us, and there is no goal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import gevent
import gevent.threadpool

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row
from tests.support.keys import shared_key

_PEER = "the same without us"


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated work, over each hop."""
    with synthetic.configured(keys=shared_key()):
        for kind, verdict in (("real", synthetic.real), ("simulated", lambda: synthetic.simulated(run="bench"))):
            for what, do in _hops():
                cases = {"bare": _case(do, verdict, nullcontext), "ours": _case(do, verdict, _ours)}
                times = interleaved(cases, effort.rounds // 8)
                yield Row(f"{what}, {kind}: added time", times.added("ours", "bare"), _PEER, times.of("bare"))


def _nothing() -> None:
    """The work."""


def _hops() -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "gevent.spawn, run and join", lambda: gevent.spawn(_nothing).join()
    yield "gevent.spawn_raw, run", lambda: (gevent.spawn_raw(_nothing), gevent.sleep(0))
    threads = gevent.get_hub().threadpool
    yield "gevent ThreadPool.apply", lambda: threads.apply(_nothing)


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
def _ours() -> Iterator[None]:
    synthetic.instrument("gevent")
    try:
        yield
    finally:
        synthetic.uninstrument("gevent")
