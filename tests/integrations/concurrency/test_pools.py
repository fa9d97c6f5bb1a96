"""Pools of ``multiprocessing``, and of processes: each job is what its submitter is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import (
    ProcessPoolExecutor,
)
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest

import synthetic
from synthetic import Marker, real, simulated
from synthetic.errors import EffectRefused
from tests.integrations.concurrency.marks import FORKS
from tests.products.concurrency import RUN, as_is, seen
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key

pytestmark = FORKS


# multiprocessing's pool of threads


@pytest.mark.usefixtures("arrangement")
def test_a_thread_pool_made_in_simulated_work_runs_each_job_under_its_own_verdict() -> None:
    with simulated(run="starter"):
        pool = ThreadPool(2)
    with pool:
        for verdict in (RUN, "real", None, "other"):
            expected = "unset" if verdict == "real" else verdict or "unset"
            with as_is(verdict):
                assert {*in_every_way(pool)} == {expected}


def in_every_way(pool: Any) -> Iterator[str]:
    """What a job sees, by each method of a pool."""
    yield pool.apply(seen)
    yield pool.apply_async(func=seen).get()
    yield from pool.map(seen, [1, 2])
    yield from pool.map_async(seen, [1, 2]).get()
    yield from pool.starmap(seen, [(1,), (2,)])
    yield from pool.starmap_async(seen, [(1,), (2,)], chunksize=2).get()
    yield from pool.imap(seen, [1, 2])
    yield from pool.imap(seen, [1, 2], chunksize=2)
    yield from pool.imap_unordered(seen, [1, 2])
    yield from pool.imap_unordered(seen, iterable=[1, 2])


@pytest.mark.usefixtures("arrangement")
def test_callbacks_and_iterables_of_a_pool_have_the_verdict_of_the_submitter() -> None:
    found: list[str] = []

    def items() -> Iterator[str]:
        yield seen()
        yield seen()

    def fail() -> None:
        raise ValueError("in the job")

    with ThreadPool(1) as pool:
        with simulated(run=RUN):
            pool.apply_async(seen, (), {}, found.append, None).wait()
            pool.map_async(seen, [1], callback=lambda _: found.append(seen())).wait()
            failed = pool.apply_async(fail, error_callback=lambda _: found.append(seen()))
            failed.wait()
            with pytest.raises(ValueError, match="in the job"):
                failed.get()
            assert list(pool.imap(str, items())) == [RUN, RUN]
            assert list(pool.imap_unordered(str, items(), 2)) == [RUN, RUN]
        with real():
            assert list(pool.imap(str, items())) == ["unset", "unset"]
    assert found == [RUN, RUN, RUN]


@pytest.mark.usefixtures("alone")
def test_errors_of_a_pool_are_those_of_the_standard_library() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("in the iterable")

    with ThreadPool(1) as pool, simulated(run=RUN):
        with pytest.raises(TypeError):
            pool.apply_async()  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="in the iterable"):
            list(pool.imap(str, broken()))
        with pytest.raises(ValueError, match="hunksize"):
            pool.imap(str, [1], chunksize=0)
        pool.close()
        pool.join()
        with pytest.raises(ValueError, match="not running"):
            pool.map(str, [1])


# Pools of processes


METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("arrangement", ["ours", "OpenTelemetry, then ours"], indirect=True)
@pytest.mark.usefixtures("arrangement")
def test_a_job_in_a_process_has_the_verdict_of_its_submitter(method: str) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
        with simulated(run=RUN, kind="load"):
            assert pool.submit(seen).result() == RUN
            assert pool.submit(synthetic.headers).result() == synthetic.headers()
            assert list(pool.map(seen, [1, 2], chunksize=2)) == [RUN, RUN]
            with real():
                assert pool.submit(seen).result() == "unset"
        assert pool.submit(seen).result() == "unset"
        with brought_by_opentelemetry(mint(shared_key())):
            assert pool.submit(seen).result() == "unverified: bad-signature"


@pytest.mark.usefixtures("alone")
def test_a_process_pool_made_in_simulated_work_runs_each_job_under_its_own_verdict(method: str) -> None:
    with simulated(run="starter"):
        pool = get_context(method).Pool(1)
    with pool:
        for verdict in (RUN, "real", None, "other"):
            expected = "unset" if verdict == "real" else verdict or "unset"
            with as_is(verdict):
                assert {*in_every_way(pool)} == {expected}


@pytest.mark.usefixtures("alone")
def test_processes_that_a_pool_starts_later_have_no_verdict() -> None:
    with simulated(run="starter"), get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        assert [pool.apply(seen) for _ in range(2)] == ["starter", "starter"]
        with real():
            assert pool.apply(seen) == "unset"


@pytest.mark.usefixtures("alone")
def test_workers_started_in_real_work_have_no_verdict() -> None:
    with real(), ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool, get_context("fork").Pool(1) as other:
        assert pool.submit(seen).result() == "unset"
        assert other.apply(seen) == "unset"


def set_up() -> None:
    os.environ["SET_UP_AS"] = seen()


@pytest.mark.usefixtures("alone")
def test_the_initializer_of_a_worker_process_runs_under_no_verdict(method: str) -> None:
    with simulated(run=RUN), ProcessPoolExecutor(1, get_context(method), initializer=set_up) as pool:
        assert pool.submit(os.getenv, "SET_UP_AS").result() == "unset"


def refused() -> None:
    raise EffectRefused("no", effect="payment", marker=synthetic.current(), target="charge")


@pytest.mark.usefixtures("alone")
def test_errors_of_jobs_and_of_pickling_are_not_changed() -> None:
    with ProcessPoolExecutor(1) as pool, simulated(run=RUN):
        with pytest.raises(EffectRefused) as caught:
            pool.submit(refused).result()
        assert caught.value.marker == Marker(RUN)
        with pytest.raises(Exception, match="pickle"):
            pool.submit(lambda: None).result()
        assert pool.submit(seen).result() == RUN


@pytest.mark.usefixtures("alone")
def test_a_callback_of_a_job_in_a_process_has_the_verdict_of_the_submitter() -> None:
    found: list[str] = []
    with ProcessPoolExecutor(1) as pool:
        with simulated(run=RUN):
            pool.submit(seen).add_done_callback(lambda _: found.append(seen()))
        with real():
            pool.submit(seen).add_done_callback(lambda _: found.append(seen()))
    assert found == [RUN, "real"]
