"""Jobs of executors run under the verdict of their submitter, and their workers have none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import (
    Future,
    ThreadPoolExecutor,
)
from typing import Any

import pytest
from opentelemetry import context

import synthetic
from synthetic import real, simulated
from tests.products.concurrency import RUN, as_is, seen
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key


def by_submit(pool: ThreadPoolExecutor) -> str:
    return pool.submit(seen).result()


def by_map(pool: ThreadPoolExecutor) -> str:
    (one,) = {*pool.map(seen, range(3))}
    return one


def by_run_in_executor(pool: ThreadPoolExecutor) -> str:
    async def main() -> str:
        return await asyncio.get_running_loop().run_in_executor(pool, seen)

    return asyncio.run(main())


def by_to_thread(pool: ThreadPoolExecutor) -> str:
    async def main() -> str:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        return await asyncio.to_thread(seen)

    return asyncio.run(main())


WAYS: list[Callable[[ThreadPoolExecutor], str]] = [by_submit, by_map, by_run_in_executor]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("arrangement")
def test_a_job_has_the_verdict_of_its_submitter_on_every_worker(
    pool: ThreadPoolExecutor, way: Callable[[ThreadPoolExecutor], str]
) -> None:
    for _ in range(2):
        with simulated(run=RUN):
            assert way(pool) == RUN
            with real():
                assert way(pool) == "unset"
        assert way(pool) == "unset"
        with simulated(run="other"):
            assert way(pool) == "other"


@pytest.mark.usefixtures("arrangement")
def test_asyncio_to_thread_carries_every_verdict_by_itself(pool: ThreadPoolExecutor) -> None:
    with simulated(run=RUN):
        assert by_to_thread(pool) == RUN
    with real():
        assert by_to_thread(pool) == "real"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("arrangement")
def test_a_job_of_unverified_work_is_unverified(
    pool: ThreadPoolExecutor, way: Callable[[ThreadPoolExecutor], str]
) -> None:
    with brought_by_opentelemetry(mint(shared_key())):
        assert way(pool) == "unverified: bad-signature"
    assert way(pool) == "unset"


@pytest.mark.usefixtures("arrangement")
def test_a_job_of_a_job_has_the_same_verdict(pool: ThreadPoolExecutor) -> None:
    with ThreadPoolExecutor(1) as second, simulated(run=RUN):
        assert pool.submit(lambda: second.submit(seen).result()).result() == RUN


@pytest.mark.usefixtures("arrangement")
def test_a_worker_started_in_simulated_work_handles_each_job_under_its_own_verdict(pool: ThreadPoolExecutor) -> None:
    def handle(headers: dict[str, str]) -> str:
        with synthetic.admitted(headers):
            return seen()

    with simulated(run=RUN):
        by_submit(pool)
        marked = synthetic.headers()
    assert [pool.submit(handle, headers).result() for headers in ({}, marked, {})] == ["real", RUN, "real"]


@pytest.mark.usefixtures("arrangement")
def test_opentelemetrys_context_propagates_as_without_this_library(
    request: pytest.FixtureRequest, pool: ThreadPoolExecutor
) -> None:
    is_instrumented = "OpenTelemetry" in request.node.name
    key = context.create_key("ride")
    for scope in (simulated(run=RUN), real()):
        attached = context.attach(context.set_value(key, "17"))
        try:
            with scope:
                found = pool.submit(context.get_value, key).result()
        finally:
            context.detach(attached)
        assert found == ("17" if is_instrumented else None)


# Callbacks


@pytest.mark.parametrize("scope", [None, "real", RUN])
@pytest.mark.parametrize("completing", [None, "real", "other"])
@pytest.mark.usefixtures("arrangement")
def test_a_callback_has_the_verdict_of_the_work_that_added_it(scope: str | None, completing: str | None) -> None:
    found: list[str] = []
    futures: list[Future[int]] = [Future(), Future(), Future()]
    with as_is(scope):
        for future in futures:
            future.add_done_callback(lambda _: found.append(seen()))
    with as_is(completing):
        futures[0].set_result(1)
        futures[1].set_exception(ValueError())
        futures[2].cancel()
    assert found == [scope or "unset"] * 3
    assert seen() == "unset"


@pytest.mark.usefixtures("alone")
def test_a_callback_gets_its_future_and_an_error_in_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    found: list[Any] = []
    future: Future[int] = Future()

    def fail(_: object) -> None:
        raise ValueError("in the callback")

    with simulated(run=RUN), caplog.at_level(logging.ERROR):
        future.add_done_callback(fail)
        future.add_done_callback(found.append)
        future.set_result(1)
        future.add_done_callback(found.append)
    assert found == [future, future]
    assert "exception calling callback" in caplog.text
