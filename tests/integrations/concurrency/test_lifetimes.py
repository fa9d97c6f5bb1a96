"""Work that goes on after the request that started it: jobs keep their verdict, and everything else is unverified."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from opentelemetry import context

import synthetic
from synthetic import carry, real, simulated
from synthetic._model.verdict import Simulated
from synthetic._work.mirror import MIRROR
from synthetic._work.state import VERDICT, current_verdict
from tests.integrations.concurrency.marks import FORKS
from tests.products.concurrency import RUN, carried, in_a_thread, seen

pytestmark = FORKS


OUTLIVED = "unverified: outlived"


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None) -> None:
    synthetic.configure(keys=keys)


class Serving:
    """What serves jobs, one at a time, until it gets None."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __call__(self) -> None:
        while job := self.jobs.get():
            self.results.put(job())

    def ask(self, job: Callable[[], Any]) -> Any:
        self.jobs.put(job)
        return self.results.get(timeout=60)


# Threads


@pytest.mark.usefixtures("arrangement")
def test_a_serving_thread_is_unverified_once_the_request_that_started_it_has_ended() -> None:
    serving = Serving()
    with simulated(run=RUN):
        thread = threading.Thread(target=serving)
        thread.start()
        assert serving.ask(seen) == RUN
    assert serving.ask(seen) == OUTLIVED  # nothing can tell whose job it is
    with simulated(run="another"):
        assert serving.ask(carry(seen)) == "another"
    with real():
        assert serving.ask(carry(seen)) == "real"
    assert serving.ask(seen) == OUTLIVED
    serving.jobs.put(None)
    thread.join()


@pytest.mark.usefixtures("arrangement")
def test_a_submitted_job_is_simulated_until_it_returns() -> None:
    serving = Serving()
    with ThreadPoolExecutor(1) as pool:
        with simulated(run=RUN):
            pool.submit(serving)
        assert serving.ask(seen) == RUN
        serving.jobs.put(None)


@pytest.mark.usefixtures("arrangement")
def test_a_job_of_to_thread_is_simulated_until_it_returns_although_its_request_was_cancelled() -> None:
    serving = Serving()

    async def main() -> str:
        async def request() -> None:
            with simulated(run=RUN):
                await asyncio.to_thread(serving)

        task = asyncio.create_task(request())
        assert await asyncio.to_thread(serving.ask, seen) == RUN
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        found = await asyncio.to_thread(serving.ask, seen)
        serving.jobs.put(None)
        return str(found)

    assert asyncio.run(main()) == RUN


@pytest.mark.usefixtures("arrangement")
def test_a_running_thread_does_not_prolong_its_request() -> None:
    serving = Serving()
    with simulated(run=RUN):
        verdict = current_verdict()
        thread = threading.Thread(target=serving)
        thread.start()
        assert serving.ask(current_verdict) is verdict
    assert isinstance(verdict, Simulated)
    assert not verdict.is_simulated
    serving.jobs.put(None)
    thread.join()


# Tasks


@pytest.mark.usefixtures("arrangement")
def test_a_serving_task_outlives_its_starter_unless_its_context_is_empty() -> None:
    async def serve(jobs: asyncio.Queue[Any], found: list[str]) -> None:
        while job := await jobs.get():
            found.append(job())

    async def main() -> list[list[str]]:
        queues = [asyncio.Queue[Any](), asyncio.Queue[Any]()]
        found: list[list[str]] = [[], []]
        with simulated(run="starter"):
            tasks = [
                asyncio.create_task(serve(queues[0], found[0])),
                contextvars.Context().run(asyncio.create_task, serve(queues[1], found[1])),
            ]
        for jobs in queues:
            await jobs.put(seen)
            with simulated(run=RUN):
                await jobs.put(carry(seen))
            await jobs.put(None)
        await asyncio.gather(*tasks)
        return found

    assert asyncio.run(main()) == [[OUTLIVED, RUN], ["unset", RUN]]


@pytest.mark.usefixtures("arrangement")
def test_a_signal_handler_of_the_loop_outlives_the_work_that_added_it() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[str] = loop.create_future()
        with simulated(run=RUN):
            loop.add_signal_handler(signal.SIGUSR1, lambda: found.set_result(seen()))
        try:
            with real():
                signal.raise_signal(signal.SIGUSR1)
                return await found
        finally:
            loop.remove_signal_handler(signal.SIGUSR1)

    assert asyncio.run(main()) == OUTLIVED


@pytest.mark.usefixtures("arrangement")
def test_each_step_of_a_generator_has_the_verdict_of_its_consumer() -> None:
    def steps() -> Iterator[str]:
        while True:
            yield seen()

    generator = steps()
    with simulated(run=RUN):
        assert next(generator) == RUN
        assert contextvars.Context().run(next, generator) == "unset"
        assert in_a_thread(lambda: next(generator)) == RUN
    assert next(generator) == "unset"


# Pools and processes


@pytest.mark.usefixtures("arrangement")
@pytest.mark.parametrize("make", [ThreadPoolExecutor, ThreadPool])
def test_worker_threads_started_in_a_simulated_request_do_not_stay_simulated(make: Any) -> None:
    with make(2) as pool:
        with simulated(run=RUN):
            assert list(pool.map(seen, range(8))) == [RUN] * 8
        assert list(pool.map(seen, range(8))) == ["unset"] * 8


@pytest.mark.parametrize("make", [ProcessPoolExecutor, get_context("fork").Pool])
def test_forked_workers_started_in_a_simulated_request_do_not_stay_simulated(make: Any) -> None:
    with carried():
        with simulated(run=RUN):
            pool = make(1)
            assert list(pool.map(seen, range(2))) == [RUN] * 2
        with pool:
            assert list(pool.map(seen, range(2))) == ["unset"] * 2


def test_opentelemetry_alone_carries_the_mirror_in_its_context() -> None:
    def both() -> tuple[bool, bool]:
        return VERDICT.get() is not None, context.get_value(MIRROR) is not None

    module = pytest.importorskip("opentelemetry.instrumentation.threading")
    with simulated(run=RUN), ThreadPoolExecutor(1) as pool:
        assert (in_a_thread(both), pool.submit(both).result()) == ((False, False), (False, False))
        module.ThreadingInstrumentor().instrument()
        try:
            assert (in_a_thread(both), pool.submit(both).result()) == ((False, True), (False, True))
            assert asyncio.run(asyncio.to_thread(both)) == (True, True)
        finally:
            module.ThreadingInstrumentor().uninstrument()
