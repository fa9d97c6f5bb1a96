"""Threads and thread pools: what a job or a thread costs more, where neither waits for another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial

from opentelemetry.instrumentation.threading import ThreadingInstrumentor

import synthetic
from tests.benchmarks.compared import WORKS, added
from tests.benchmarks.measure import Case, Effort, statement, together
from tests.benchmarks.table import Row
from tests.support.keys import shared_key
from tests.support.switches import instrumented, traced

_PEER = "OpenTelemetry threading"
_SWITCHES = {
    "bare": nullcontext,
    "ours": partial(instrumented, "concurrency"),
    "peer": partial(traced, ThreadingInstrumentor),
}


def rows(effort: Effort) -> Iterator[Row]:
    """Real and simulated work, each with a job and with a thread."""
    with synthetic.configured(keys=shared_key()):
        for kind, verdict in WORKS.items():
            for what, do in (("ThreadPoolExecutor, submit and run", _job()), ("Thread, start and run", _thread)):
                run = statement("do()", do=do)
                cases = {
                    name: Case(run, together(_in_the_starter, verdict, on), number=200, warm=200)
                    for name, on in _SWITCHES.items()
                }
                yield added(what, kind, _PEER, cases, effort.rounds // 4)


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


@contextmanager
def _in_the_starter() -> Iterator[None]:
    """A thread that is started runs at once, in the thread that starts it."""
    start = threading.Thread.start
    threading.Thread.start = lambda thread: thread.run()  # type: ignore[method-assign]
    try:
        yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
