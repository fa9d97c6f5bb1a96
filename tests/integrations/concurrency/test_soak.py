"""All hops of one process at once, real and simulated work interleaved, and not one wrong verdict."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest

from synthetic import real, simulated
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
