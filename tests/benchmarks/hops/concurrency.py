"""Threads and thread pools: what a job or a thread costs more, where neither waits for another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from opentelemetry.instrumentation.threading import ThreadingInstrumentor

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import shared_key

_PEER = "OpenTelemetry threading"


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated work, each with a job and with a thread."""
    with synthetic.configured(keys=shared_key()):
        for kind, verdict, goal in (
            ("real", synthetic.real, at_most_one_in(10)),
            ("simulated", lambda: synthetic.simulated(run="bench"), None),
        ):
            for what, do in (("ThreadPoolExecutor, submit and run", _job()), ("Thread, start and run", _thread)):
                times = interleaved(
                    {
                        "bare": _case(do, verdict),
                        "ours": _case(do, verdict, _ours),
                        "peer": _case(do, verdict, _opentelemetry),
                    },
                    effort.rounds // 4,
                )
                added = times.added("ours", "bare")
                yield Row(f"{what}, {kind}: added time", added, _PEER, times.added("peer", "bare"), goal)


def _nothing() -> None:
    """The work."""


def _job() -> Callable[[], None]:
    """Submit to a pool whose worker is idle, and do its part at once."""
    pool = ThreadPoolExecutor(1)

    def job() -> None:
        pool._idle_semaphore.release()
        pool.submit(_nothing)
        pool._work_queue.get_nowait().run()  # type: ignore[union-attr]

    return job


def _thread() -> None:
    threading.Thread(target=_nothing).start()


def _case(
    do: Callable[[], None],
    verdict: Callable[[], Any],
    installed: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Case:
    @contextmanager
    def around() -> Iterator[None]:
        start = threading.Thread.start
        threading.Thread.start = lambda thread: thread.run()  # type: ignore[method-assign]
        try:
            with ExitStack() as stack:
                stack.enter_context(verdict())
                stack.enter_context(installed())
                yield
        finally:
            threading.Thread.start = start  # type: ignore[method-assign]

    return Case(statement("do()", do=do), around, number=200, warm=200)


@contextmanager
def _ours() -> Iterator[None]:
    synthetic.instrument("concurrency")
    try:
        yield
    finally:
        synthetic.uninstrument("concurrency")


@contextmanager
def _opentelemetry() -> Iterator[None]:
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    try:
        yield
    finally:
        instrumentor.uninstrument()
