"""``carry`` keeps the current verdict for one call that runs elsewhere or later."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import inspect
import os
import pickle
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import baggage, context

import synthetic
from synthetic import Marker, UnverifiedMarker, carry, current, is_synthetic, real, simulated
from synthetic._work.state import VERDICT
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None) -> None:
    synthetic.configure(keys=keys)


@pytest.fixture(params=[False, True], ids=["", "OpenTelemetry"])
def worker(request: pytest.FixtureRequest) -> Iterator[ThreadPoolExecutor]:
    """A worker that is already running, with and without OpenTelemetry's instrumentation of threads."""
    if not request.param:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()
            yield pool
        return
    instrumentor = pytest.importorskip("opentelemetry.instrumentation.threading").ThreadingInstrumentor()
    instrumentor.instrument()
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()
            yield pool
    finally:
        instrumentor.uninstrument()


def seen() -> str:
    marker = current()
    return marker.run if marker else "unset" if VERDICT.get() is None else "real"


def test_a_carried_job_keeps_its_verdict_wherever_it_runs(worker: ThreadPoolExecutor) -> None:
    with simulated(run="rush-hour"):
        marked = carry(seen)
    with real():
        unmarked = carry(seen)
    undecided = carry(seen)
    jobs = (marked, unmarked, undecided)
    assert [worker.submit(job).result() for job in jobs] == ["rush-hour", "real", "unset"]
    with simulated(run="other"):
        assert [worker.submit(job).result() for job in jobs] == ["rush-hour", "real", "unset"]
        assert [job() for job in jobs] == ["rush-hour", "real", "unset"]
        assert seen() == "other"
    with real():
        assert [job() for job in jobs] == ["rush-hour", "real", "unset"]
        assert seen() == "real"
    assert seen() == "unset"
    assert worker.submit(seen).result() == "unset"


def test_a_carried_job_sees_its_own_token_and_opentelemetry_baggage(worker: ThreadPoolExecutor) -> None:
    def both() -> tuple[dict[str, str], Any]:
        return synthetic.headers(), baggage.get_baggage("synthetic-traffic")

    with simulated(run="rush-hour"):
        token = synthetic.headers()["baggage"].partition("=")[2]
        marked = carry(both)
    with real():
        unmarked = carry(both)
    assert worker.submit(marked).result() == ({"baggage": f"synthetic-traffic={token}"}, token)
    with simulated(run="other"):
        assert unmarked() == ({}, None)


def test_carried_unverified_work_stays_unverified(worker: ThreadPoolExecutor) -> None:
    with brought_by_opentelemetry(mint(shared_key())):
        job = carry(is_synthetic)
    with pytest.raises(UnverifiedMarker):
        worker.submit(job).result()
    assert worker.submit(is_synthetic).result() is False


def test_a_carried_job_can_run_repeatedly_and_in_several_threads() -> None:
    meet = threading.Barrier(4)

    def meeting() -> str:
        meet.wait(60)
        return seen()

    with simulated(run="rush-hour"):
        job = carry(meeting)
    with ThreadPoolExecutor(4) as pool:
        assert [future.result() for future in [pool.submit(job) for _ in range(8)]] == ["rush-hour"] * 8


def test_a_carried_job_passes_arguments_results_and_errors_through() -> None:
    def told(*args: int, **kwargs: int) -> Any:
        return args, kwargs

    def fail() -> None:
        raise ValueError("in the job")

    with simulated(run="rush-hour"):
        assert carry(told)(1, self=2, function=3) == ((1,), {"self": 2, "function": 3})
        failing = carry(fail)
    with pytest.raises(ValueError, match="in the job"):
        failing()
    assert seen() == "unset"


def test_a_carried_coroutine_function_keeps_the_verdict_to_its_end() -> None:
    async def told(steps: int) -> str:
        for _ in range(steps):
            await asyncio.sleep(0)
        return seen()

    with simulated(run="rush-hour"):
        job = carry(told)

    async def main() -> list[str]:
        with real():
            found = await asyncio.gather(job(3), told(3), job(1))
        return [*found, await job(2)]

    assert asyncio.run(main()) == ["rush-hour", "real", "rush-hour", "rush-hour"]
    assert inspect.iscoroutinefunction(job)


@pytest.mark.parametrize("bound", ["method", "partial", "builtin", "class"])
def test_any_callable_can_be_carried(bound: str) -> None:
    class Rider:
        def __init__(self) -> None:
            self.seen = seen()

        def tell(self) -> str:
            return seen()

    function: Callable[[], Any] = {
        "method": Rider().tell,
        "partial": functools.partial(Rider.tell, Rider()),
        "builtin": VERDICT.get,
        "class": Rider,
    }[bound]
    with simulated(run="rush-hour"):
        job = carry(function)
    found = job()
    run = found.marker.run if bound == "builtin" else getattr(found, "seen", found)
    assert run == "rush-hour"


def test_a_generator_function_cannot_be_carried() -> None:
    def steps() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        carry(steps)


async def seen_later() -> str:
    await asyncio.sleep(0)
    return seen()


def seen_step_by_step() -> Iterator[str]:
    yield seen()


async def seen_step_by_step_later() -> Any:
    yield seen()


def test_the_error_names_an_object_that_defers_its_work() -> None:
    class Stepping:
        def __call__(self) -> Iterator[str]:
            yield seen()

    class Waiting:
        def __call__(self) -> Any:
            return seen_later()

    with pytest.raises(TypeError, match="Stepping is a generator"):
        carry(Stepping())
    with simulated(run="rush-hour"):
        job = carry(Waiting())
    with pytest.raises(TypeError, match="Waiting returns a coroutine"):
        job()


@pytest.mark.parametrize("work", [seen_later, seen_step_by_step, seen_step_by_step_later])
def test_calling_a_carried_function_that_returns_deferred_work_raises(work: Any) -> None:
    with simulated(run="rush-hour"):
        job = carry(lambda: work())
    with pytest.raises(TypeError, match=r"returns a (coroutine|generator|async_generator),.* outside of the scope"):
        job()
    assert seen() == "unset"


def test_a_carried_async_object_keeps_the_verdict_to_its_end() -> None:
    class Job:
        async def __call__(self, times: int) -> list[str]:
            return [await seen_later() for _ in range(times)]

    with simulated(run="rush-hour"):
        jobs = [carry(Job()), carry(functools.partial(Job().__call__, 2))]
    assert asyncio.run(jobs[0](2)) == asyncio.run(jobs[1]()) == ["rush-hour"] * 2
    assert seen() == "unset"


def test_a_carried_function_keeps_its_name_and_can_be_pickled() -> None:
    with simulated(run="rush-hour", kind="load"):
        job = carry(os.getcwd)
        token = synthetic.headers()
        tell: Any = carry(current)
        send: Any = carry(synthetic.headers)
    assert job.__name__ == "getcwd"
    assert copy.copy(tell)() == Marker("rush-hour", "load")
    assert pickle.loads(pickle.dumps(tell))() == Marker("rush-hour", "load")
    assert pickle.loads(pickle.dumps(send))() == token
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(carry(lambda: None))


def test_a_custom_worker_thread_runs_each_job_under_its_own_verdict(worker: ThreadPoolExecutor) -> None:
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    found: list[str] = []

    def work() -> None:
        while job := jobs.get():
            found.append(job())

    with simulated(run="starter"):
        thread = threading.Thread(target=work)
        contextvars.Context().run(thread.start)
        jobs.put(seen)
        jobs.put(carry(seen))
    with real():
        jobs.put(carry(seen))
    jobs.put(seen)
    jobs.put(None)
    thread.join()
    assert found == ["unset", "starter", "real", "unset"]


def test_a_worker_task_runs_each_job_under_its_own_verdict() -> None:
    async def work(jobs: asyncio.Queue[Any], found: list[str]) -> None:
        while job := await jobs.get():
            found.append(job())

    async def main() -> list[str]:
        jobs: asyncio.Queue[Any] = asyncio.Queue()
        found: list[str] = []
        with simulated(run="starter"):
            worker = contextvars.Context().run(asyncio.ensure_future, work(jobs, found))
            await jobs.put(seen)
            await jobs.put(carry(seen))
        with real():
            await jobs.put(carry(seen))
        await jobs.put(seen)
        await jobs.put(None)
        await worker
        return found

    assert asyncio.run(main()) == ["unset", "starter", "real", "unset"]


def test_a_carried_job_leaves_the_opentelemetry_context_unchanged() -> None:
    with simulated(run="rush-hour"):
        job = carry(seen)
    before = context.get_current()
    job()
    assert context.get_current() == before


@pytest.mark.parametrize("given", [None, "job", (number for number in range(3))])
def test_what_cannot_be_called_is_an_error_at_once(given: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot be called\. Carry the function itself"):
        synthetic.carry(given)
