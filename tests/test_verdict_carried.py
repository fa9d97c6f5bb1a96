"""Which hops carry the verdict, with and without thread instrumentation, and blocks that end elsewhere."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import propagate

import synthetic
from synthetic import Marker, current, headers, is_synthetic, real, simulated
from tests.test_verdict import attached, fresh


def in_a_thread() -> Any:
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()
    thread = threading.Thread(target=lambda: found.put(current()))
    thread.start()
    thread.join()
    return found.get()


def in_a_timer() -> Any:
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()
    timer = threading.Timer(0, lambda: found.put(current()))
    timer.start()
    timer.join()
    return found.get()


def in_a_pool() -> Any:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(current).result()


def in_an_executor() -> Any:
    async def main() -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, current)

    return asyncio.run(main())


def in_a_pool_with_the_context_copied() -> Any:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, current).result()


def in_to_thread() -> Any:
    async def main() -> Any:
        return await asyncio.to_thread(current)

    return asyncio.run(main())


def in_a_task() -> Any:
    async def main() -> Any:
        return await asyncio.create_task(_current())

    return asyncio.run(main())


def in_gather() -> Any:
    async def main() -> Any:
        return (await asyncio.gather(_current(), _current()))[1]

    return asyncio.run(main())


def in_a_callback_of_the_loop() -> Any:
    async def main() -> Any:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0, lambda: future.set_result(current()))
        return await future

    return asyncio.run(main())


def in_anyio_to_thread() -> Any:
    anyio = pytest.importorskip("anyio")

    async def main() -> Any:
        return await anyio.to_thread.run_sync(current)

    return anyio.run(main)


async def _current() -> Marker | None:
    return current()


CARRYING = [
    in_a_pool_with_the_context_copied,
    in_to_thread,
    in_a_task,
    in_gather,
    in_a_callback_of_the_loop,
    in_anyio_to_thread,
]
INSTRUMENTED = [in_a_thread, in_a_timer, in_a_pool, in_an_executor]


@pytest.mark.parametrize("hop", CARRYING)
def test_every_hop_that_carries_contextvars_carries_the_verdict(keys: dict[str, Any], hop: Callable[[], Any]) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"):
        assert hop() == Marker("rush-hour")
        with real():
            assert hop() is None
    assert hop() is None


@pytest.fixture
def threading_instrumentation() -> Iterator[None]:
    module = pytest.importorskip("opentelemetry.instrumentation.threading")
    instrumentor = module.ThreadingInstrumentor()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


@pytest.mark.parametrize("hop", INSTRUMENTED + CARRYING)
def test_thread_instrumentation_carries_the_verdict(
    keys: dict[str, Any], threading_instrumentation: None, hop: Callable[[], Any]
) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"):
        assert hop() == Marker("rush-hour")
        with real():
            assert hop() is None
    assert hop() is None


def test_thread_instrumentation_carries_the_token(keys: dict[str, Any], threading_instrumentation: None) -> None:
    synthetic.configure(keys=keys)
    with simulated(run="rush-hour"), concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(headers).result() == headers()


def verdict_in(process_headers: dict[str, str], keys: dict[str, Any]) -> Marker | None:
    """Return the marker that another process finds in the headers."""
    synthetic.configure(keys=keys)
    synthetic.instrument("logging")
    with attached(propagate.extract(process_headers)):
        return current()


def test_headers_carry_the_marker_into_a_spawned_process(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)
    start = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=start) as pool, simulated(run="rush-hour"):
        assert pool.submit(current).result() is None
        assert pool.submit(verdict_in, headers(), keys).result() == Marker("rush-hour")


# Long-lived workers.


def test_a_worker_in_an_empty_context_takes_each_verdict_from_its_job(
    keys: dict[str, Any],
) -> None:
    synthetic.configure(keys=keys)

    async def worker(jobs: asyncio.Queue[Any], results: asyncio.Queue[Any]) -> None:
        while True:
            with attached(propagate.extract(await jobs.get())):
                await results.put(current())

    async def main() -> list[Any]:
        jobs, results = asyncio.Queue[Any](), asyncio.Queue[Any]()
        with simulated(run="rush-hour"):
            task = fresh(asyncio.ensure_future, worker(jobs, results))
            marked = headers()
        seen = []
        for job in ({}, marked, {}):
            await jobs.put(job)
            seen.append(await results.get())
        task.cancel()
        return seen

    assert asyncio.run(main()) == [None, Marker("rush-hour"), None]


def test_a_worker_started_as_real_stays_real(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)

    async def heartbeat() -> bool:
        await asyncio.sleep(0)
        return is_synthetic()

    async def main() -> bool:
        with simulated(run="rush-hour"):
            with real():
                task = asyncio.ensure_future(heartbeat())
            return await task

    assert asyncio.run(main()) is False


# Blocks that end in another context.


def no_detach_errors(caplog: pytest.LogCaptureFixture) -> bool:
    return not [record for record in caplog.records if "detach" in record.getMessage()]


async def steps() -> Any:
    with simulated(run="rush-hour"):
        for number in range(3):
            yield number


def test_an_asynchronous_generator_finalised_in_another_task_logs_no_detach_error(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    synthetic.configure(keys=keys)

    async def main() -> None:
        generator = steps()
        assert await generator.__anext__() == 0
        await asyncio.create_task(generator.aclose())

    asyncio.run(main())
    assert no_detach_errors(caplog)
    assert is_synthetic() is False


def test_an_abandoned_asynchronous_generator_logs_no_detach_error(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    synthetic.configure(keys=keys)

    async def main() -> None:
        generator = steps()
        await generator.__anext__()
        del generator
        await asyncio.sleep(0)

    asyncio.run(main())
    assert no_detach_errors(caplog)


@pytest.mark.parametrize("make", [lambda: simulated(run="rush-hour"), real])
def test_a_block_left_in_another_context_logs_no_detach_error_and_changes_nothing_there(
    keys: dict[str, Any], caplog: pytest.LogCaptureFixture, make: Callable[[], Any]
) -> None:
    synthetic.configure(keys=keys)
    scope = make()
    fresh(scope.__enter__)
    with simulated(run="other"):
        scope.__exit__(None, None, None)
        assert current() == Marker("other")
    assert is_synthetic() is False
    assert no_detach_errors(caplog)
