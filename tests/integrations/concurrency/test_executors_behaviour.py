"""Executors, instrumented, behave as they do without us."""

from __future__ import annotations

import gc
import inspect
import threading
import weakref
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures import TimeoutError as FutureTimeoutError
from multiprocessing.pool import Pool
from typing import Any

import pytest

from synthetic import Marker, simulated
from synthetic.errors import EffectRefused
from tests.products.concurrency import RUN, carried, seen

SUBMIT = ThreadPoolExecutor.submit
ADD_DONE_CALLBACK = Future.add_done_callback


@pytest.mark.usefixtures("arrangement")
def test_results_errors_and_arguments_are_those_of_the_job(pool: ThreadPoolExecutor) -> None:
    def told(*args: int, **kwargs: int) -> Any:
        return args, kwargs

    def fail() -> None:
        raise EffectRefused("no", effect="payment", marker=Marker(RUN), target="charge")

    with simulated(run=RUN):
        assert pool.submit(told, 1, 2, fn=3, self=4).result() == ((1, 2), {"fn": 3, "self": 4})
        with pytest.raises(EffectRefused, match="no"):
            pool.submit(fail).result()
        assert isinstance(pool.submit(fail).exception(), EffectRefused)
        assert list(pool.map(pow, [2, 3], [3, 2])) == [8, 9]


@pytest.mark.usefixtures("arrangement")
def test_a_waiting_job_can_still_be_cancelled_and_waited_for(pool: ThreadPoolExecutor) -> None:
    go_on = threading.Event()
    with simulated(run=RUN):
        running = pool.submit(go_on.wait, 60)
        waiting = [pool.submit(seen) for _ in range(3)]
        assert waiting[0].cancel()
        with pytest.raises(FutureTimeoutError):
            waiting[1].result(timeout=0.01)
        with pytest.raises(FutureTimeoutError):
            list(pool.map(seen, [1], timeout=0.01))
        go_on.set()
        assert running.result()
        with pytest.raises(CancelledError):
            waiting[0].result()
        assert wait(waiting).not_done == set()
        assert {future.result() for future in as_completed(waiting[1:])} == {RUN}


@pytest.mark.usefixtures("arrangement")
def test_shutdown_still_cancels_waiting_jobs_and_refuses_new_ones() -> None:
    go_on = threading.Event()
    pool = ThreadPoolExecutor(1)
    with simulated(run=RUN):
        running = pool.submit(go_on.wait, 60)
        waiting = pool.submit(seen)
        pool.shutdown(wait=False, cancel_futures=True)
        go_on.set()
        assert waiting.cancelled()
        assert running.result()
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(seen)
    pool.shutdown()


@pytest.mark.usefixtures("alone")
def test_a_failing_initializer_still_breaks_the_pool(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("in the initializer")

    with simulated(run=RUN), ThreadPoolExecutor(1, initializer=fail) as pool, pytest.raises(BrokenExecutor):
        pool.submit(seen).result()


@pytest.mark.usefixtures("alone")
def test_a_finished_job_and_an_unused_pool_are_freed(pool: ThreadPoolExecutor) -> None:
    class Callable_:
        def __call__(self) -> str:
            return seen()

    job = Callable_()
    reference = weakref.ref(job)
    with simulated(run=RUN):
        assert pool.submit(job).result() == RUN
        del job
        pool.submit(seen).result()  # the worker holds the last one until the next
        assert reference() is None
        short_lived = ThreadPoolExecutor(1)
        short_lived.submit(seen).result()
        workers = list(short_lived._threads)
        del short_lived
        gc.collect()
        for worker in workers:
            worker.join(60)
            assert not worker.is_alive()


@pytest.mark.usefixtures("alone")
def test_names_signatures_and_documentation_are_those_of_the_standard_library() -> None:
    for ours, original in ((ThreadPoolExecutor.submit, SUBMIT), (Future.add_done_callback, ADD_DONE_CALLBACK)):
        assert ours is not original
        assert inspect.signature(ours) == inspect.signature(original)
        assert (ours.__qualname__, ours.__doc__) == (original.__qualname__, original.__doc__)
    with simulated(run=RUN), ThreadPoolExecutor(1) as pool, pytest.raises(TypeError, match="fn"):
        pool.submit()  # type: ignore[call-arg]


def test_uninstrument_leaves_nothing_behind() -> None:
    owners = (ThreadPoolExecutor, ProcessPoolExecutor, Future, Pool)
    before = [dict(vars(owner)) for owner in owners]
    with carried():
        assert all(dict(vars(owner)) != kept for owner, kept in zip(owners, before, strict=True))
    assert [dict(vars(owner)) for owner in owners] == before
