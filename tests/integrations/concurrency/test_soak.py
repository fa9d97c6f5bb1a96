"""All hops of one process at once, real and simulated work interleaved, and not one wrong verdict."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest

from synthetic import UnverifiedMarker, carry_queue, guard, real, simulated
from tests.integrations.concurrency.marks import FORKS
from tests.products.concurrency import carried, in_a_thread, seen

pytestmark = FORKS


class Checked:
    """Work that fans out over every hop of this process, and notes wherever it is not what it should be."""

    def __init__(self, pools: list[Any]) -> None:
        self.pools = pools
        self.wrong: list[Any] = []
        self.counted = 0
        self._lock = threading.Lock()

    def check(self, hop: str, expected: str) -> None:
        found = seen()
        with self._lock:
            self.counted += 1
            if found not in ((expected,) if expected != "real" else ("real", "unset")):
                self.wrong.append((hop, expected, found))

    def request(self, randomly: random.Random, number: int) -> None:
        kind = randomly.choice(["real", "simulated", "undecided"])
        expected = f"run-{number}" if kind == "simulated" else "real"
        if kind == "undecided":
            return contextvars.Context().run(self.work, expected)
        with simulated(run=expected) if kind == "simulated" else real():
            self.work(expected)

    def work(self, expected: str) -> None:
        executor, pool = self.pools
        self.check("request", expected)
        thread = threading.Thread(target=self.check, args=("thread", expected))
        timer = threading.Timer(0, self.check, ("timer", expected))
        thread.start()
        timer.start()
        job: Future[None] = executor.submit(self.check, "job", expected)
        job.add_done_callback(lambda _: self.check("callback", expected))
        asynchronous = pool.apply_async(
            self.check, ("pool", expected), callback=lambda _: self.check("pool's callback", expected)
        )
        nested = executor.submit(lambda: in_a_thread(lambda: self.check("thread of a job", expected)))
        asyncio.run(self.tasks(expected))
        for waiting in (thread, timer):
            waiting.join()
        job.result()
        nested.result()
        asynchronous.get()
        self.check("request, at its end", expected)

    async def tasks(self, expected: str) -> None:
        async def task() -> None:
            await asyncio.sleep(0)
            self.check("task", expected)

        loop = asyncio.get_running_loop()
        await asyncio.gather(task(), loop.run_in_executor(self.pools[0], self.check, "run_in_executor", expected))


@pytest.mark.long
@pytest.mark.parametrize("arrangement", ["ours", "OpenTelemetry, then ours"], indirect=True)
@pytest.mark.usefixtures("arrangement")
def test_no_job_of_eight_busy_threads_gets_another_verdict(long_run: bool) -> None:
    requests = 2_500 if long_run else 40
    with ThreadPoolExecutor(16) as executor, ThreadPool(4) as pool:
        checked = Checked([executor, pool])

        def client(seed: int) -> None:
            randomly = random.Random(seed)
            for number in range(requests):
                checked.request(randomly, seed * requests + number)

        clients = [threading.Thread(target=client, args=(seed,)) for seed in range(8)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
    assert checked.wrong == []
    assert checked.counted == 11 * 8 * requests


@pytest.mark.long
def test_no_job_of_busy_processes_gets_another_verdict(long_run: bool) -> None:
    jobs = 4_000 if long_run else 200
    with carried(), ProcessPoolExecutor(2, get_context("fork")) as executor, get_context("spawn").Pool(1) as pool:
        expected, found = [], []
        for number in range(jobs):
            with simulated(run=f"run-{number}") if number % 3 else real():
                expected.append(f"run-{number}" if number % 3 else "unset")
                found.append((executor.submit(seen), pool.apply_async(seen)))
        assert [future.result() for future, _ in found] == expected
        assert [result.get() for _, result in found] == expected


class Till:
    """Handles jobs, numbered, of which every third is real, every third simulated, and every third of nobody."""

    def __init__(self) -> None:
        self.charged: list[int] = []
        self.handled: list[int] = []
        self.refused: list[int] = []
        self._charge = guard("payment")(self.charged.append)

    def handle(self, number: int) -> None:
        try:
            self._charge(number)
        except UnverifiedMarker:
            self.refused.append(number)
        self.handled.append(number)

    def check(self, jobs: int) -> None:
        assert sorted(self.handled) == list(range(jobs))
        assert self.refused == []
        assert sorted(self.charged) == [number for number in range(jobs) if number % 3 != SIMULATED]


STARTERS: list[Callable[[], AbstractContextManager[object]]] = [lambda: simulated(run="starter"), real, nullcontext]
SIMULATED = 1


def submitting(number: int) -> AbstractContextManager[object]:
    """The work that submits a job."""
    if number % 3 == SIMULATED:
        return simulated(run=f"run-{number % 1000}")
    return real() if number % 3 else nullcontext()


@pytest.mark.long
def test_no_job_for_declared_threads_is_lost_or_gets_another_verdict(long_run: bool) -> None:
    jobs = 50_000 if long_run else 2_000
    tasks: queue.Queue[int | None] = carry_queue(queue.Queue(100))
    till = Till()

    def work() -> None:
        while (number := tasks.get()) is not None:
            till.handle(number)

    def submit(first: int) -> None:
        for number in range(first, jobs, 4):
            with submitting(number):
                tasks.put(number)

    with carried():
        workers = [threading.Thread(target=work) for _ in range(6)]
        for number, worker in enumerate(workers):
            with STARTERS[number % 3]():
                worker.start()
        submitters = [threading.Thread(target=submit, args=(first,)) for first in range(4)]
        for submitter in submitters:
            submitter.start()
        for submitter in submitters:
            submitter.join()
        for _ in workers:
            tasks.put(None)
        for worker in workers:
            worker.join()
    till.check(jobs)


@pytest.mark.long
def test_no_job_for_declared_tasks_is_lost_or_gets_another_verdict(long_run: bool) -> None:
    jobs = 50_000 if long_run else 2_000
    till = Till()

    async def main() -> None:
        tasks: asyncio.Queue[int | None] = carry_queue(asyncio.Queue(100))

        async def work() -> None:
            while (number := await asyncio.wait_for(tasks.get(), 60)) is not None:
                await asyncio.sleep(0)
                till.handle(number)

        async def submit(first: int) -> None:
            for number in range(first, jobs, 4):
                with submitting(number):
                    await tasks.put(number)

        workers = []
        for number in range(4):
            # Not real work: a task that it starts is real for good.
            with STARTERS[number % 2 * 2]():
                workers.append(asyncio.create_task(work()))
        await asyncio.gather(*map(submit, range(4)))
        for _ in workers:
            await tasks.put(None)
        await asyncio.gather(*workers)

    with carried():
        asyncio.run(main())
    till.check(jobs)


@pytest.mark.long
def test_no_job_for_pools_is_lost_or_gets_another_verdict(long_run: bool) -> None:
    jobs = 50_000 if long_run else 2_000
    till = Till()
    with carried(), ThreadPoolExecutor(4) as executor, ThreadPool(2) as pool:
        results: list[Callable[[], object]] = []
        for number in range(jobs):
            with submitting(number):
                if number % 2:
                    results.append(executor.submit(till.handle, number).result)
                else:
                    results.append(pool.apply_async(till.handle, (number,)).get)
        for result in results:
            result()
    till.check(jobs)
