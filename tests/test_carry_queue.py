"""``carry_queue``: each job is handled under the verdict of whoever put it there, whoever has started the worker."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

import synthetic
from synthetic import UnverifiedMarker, carry_queue, current, guard, is_synthetic, real, simulated
from synthetic._model.verdict import OUTLIVED, REAL, Verdict
from synthetic._work.state import current_verdict

KINDS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "simulated": lambda: simulated(run="rush-hour"),
    "real": real,
    "undecided": nullcontext,
}


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys)
    synthetic.instrument("concurrency")
    yield
    synthetic.uninstrument("concurrency")


charged: list[str] = []
refused: list[str] = []


@guard("payment")
def charge(who: str) -> None:
    charged.append(who)


def handle(who: str) -> None:
    try:
        charge(who)
    except UnverifiedMarker:
        refused.append(who)


@pytest.fixture(autouse=True)
def books() -> None:
    charged.clear()
    refused.clear()


JOBS = ["simulated", "real", "undecided", "simulated", "simulated", "real"]
PAID = [kind for kind in JOBS if kind != "simulated"]


# Threads


THREAD_QUEUES: list[Callable[[], Any]] = [queue.Queue, queue.LifoQueue, lambda: queue.Queue(maxsize=1)]


def started_thread(first: str, jobs: Any) -> tuple[threading.Thread, Any]:
    """A worker that begins once the work that has started it has ended."""
    done: queue.SimpleQueue[None] = queue.SimpleQueue()
    ended = threading.Event()

    def work() -> None:
        ended.wait(60)
        for who in iter(jobs.get, None):
            handle(who)
            done.put(None)

    with KINDS[first]():
        thread = threading.Thread(target=work)
        thread.start()
    ended.set()
    return thread, done


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("make", THREAD_QUEUES)
def test_a_thread_handles_each_job_under_the_verdict_of_whoever_put_it_there(make: Any, first: str) -> None:
    jobs = carry_queue(make())
    thread, done = started_thread(first, jobs)
    for who in JOBS:
        with KINDS[who]():
            jobs.put(who)
        done.get(timeout=60)
    jobs.put(None)
    thread.join()
    assert (charged, refused) == (PAID, [])


@pytest.mark.parametrize("first", KINDS)
def test_a_backlog_keeps_its_verdicts_although_the_work_that_put_it_there_has_ended(first: str) -> None:
    jobs: Any = carry_queue(queue.Queue())
    for who in JOBS:
        with KINDS[who]():
            jobs.put(who)
    thread, _ = started_thread(first, jobs)
    jobs.put(None)
    thread.join()
    assert (charged, refused) == (PAID, [])


def test_a_job_is_simulated_until_the_worker_takes_the_next_one() -> None:
    jobs: Any = carry_queue(queue.Queue())
    with simulated(run="first", actor="rider-7"):
        jobs.put(1)
    with simulated(run="second"):
        jobs.put(2)
    jobs.put(3)
    seen = []

    def work() -> None:
        for _ in range(3):
            jobs.get()
            seen.append(current())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [synthetic.Marker("first", "simulation", "rider-7"), synthetic.Marker("second"), None]


def test_what_a_job_has_started_has_outlived_it_once_the_worker_takes_the_next_one() -> None:
    jobs: Any = carry_queue(queue.Queue())
    with simulated(run="first"):
        jobs.put(1)
    jobs.put(2)
    next_is_taken, found = threading.Event(), list[Any]()

    def child() -> None:
        found.append(is_synthetic())
        started.set()
        next_is_taken.wait(60)
        found.append(current_verdict())

    started = threading.Event()

    def work() -> None:
        jobs.get()
        children.append(threading.Thread(target=child))
        children[0].start()
        started.wait(60)
        jobs.get()
        next_is_taken.set()

    children: list[threading.Thread] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    children[0].join()
    assert found == [True, OUTLIVED]


def test_a_worker_that_finds_the_queue_empty_twice_has_nothing_in_hand() -> None:
    jobs: Any = carry_queue(queue.Queue())
    with simulated(run="rush-hour"):
        jobs.put(1)
    seen: list[Verdict | None] = []

    def work() -> None:
        jobs.get()
        for _ in range(3):
            with pytest.raises(queue.Empty):
                jobs.get(timeout=0.001)
            seen.append(current_verdict())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0] is not None
    assert seen[0] is not REAL
    assert seen[1:] == [None, None], "a heartbeat is not simulated"


def test_a_job_that_an_outlived_thread_puts_there_is_refused() -> None:
    jobs: Any = carry_queue(queue.Queue())
    ended = threading.Event()

    def late() -> None:
        ended.wait(60)
        jobs.put("late")

    with simulated(run="rush-hour"):
        thread = threading.Thread(target=late)
        thread.start()
    ended.set()
    thread.join()
    worker, done = started_thread("undecided", jobs)
    done.get(timeout=60)
    jobs.put(None)
    worker.join()
    assert (charged, refused) == ([], ["late"])


@pytest.mark.parametrize("kind", ["simulated", "real"])
def test_work_that_goes_on_keeps_its_verdict_whatever_it_takes(kind: str) -> None:
    jobs: Any = carry_queue(queue.Queue())
    for who in ("simulated", "real"):
        with KINDS[who]():
            jobs.put(who)
    with KINDS[kind]():
        before = current_verdict()
        for _ in range(2):
            jobs.get()
            assert current_verdict() is before


def test_a_thread_of_simulated_work_that_goes_on_refuses_a_job_of_real_work() -> None:
    """It may be a worker for everybody, or a helper that gets an answer: nothing tells."""
    jobs: Any = carry_queue(queue.Queue())
    with real():
        jobs.put("real")
    with simulated(run="rush-hour"):
        jobs.put("simulated")
        thread = threading.Thread(target=lambda: (handle(jobs.get()), handle(jobs.get())))
        thread.start()
        thread.join()
    assert (charged, refused) == ([], ["real"])


def test_order_identity_and_content_stay_and_the_same_object_may_be_put_by_both_kinds() -> None:
    jobs: Any = carry_queue(queue.Queue(maxsize=5))
    one, other = object(), object()
    for kind, item in (("simulated", one), ("real", one), ("real", other), ("simulated", one)):
        with KINDS[kind]():
            jobs.put(item)
    assert list(jobs.queue) == [one, one, other, one]
    assert (jobs.qsize(), jobs.maxsize, jobs.full(), type(jobs)) == (4, 5, False, queue.Queue)
    found = []

    def work() -> None:
        for _ in range(4):
            item = jobs.get()
            found.append((item, is_synthetic()))
            jobs.task_done()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    jobs.join()
    assert found == [(one, True), (one, False), (other, False), (one, True)]
    assert not jobs._synthetic._by_item, "no tag is left"


def test_a_priority_queue_carries_in_its_own_order() -> None:
    jobs: Any = carry_queue(queue.PriorityQueue())
    for kind, number in (("simulated", 2), ("real", 1), ("simulated", 3)):
        with KINDS[kind]():
            jobs.put((number, kind))
    found = []

    def work() -> None:
        found.extend((jobs.get()[1], is_synthetic()) for _ in range(3))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [("real", False), ("simulated", True), ("simulated", True)]


def test_a_queue_that_is_not_declared_carries_nothing() -> None:
    """Connections and answers travel in queues of the same kinds."""
    jobs: queue.Queue[str] = queue.Queue()
    with simulated(run="rush-hour"):
        jobs.put("connection")
    found = []
    thread = threading.Thread(target=lambda: found.append((jobs.get(), current_verdict())))
    thread.start()
    thread.join()
    assert found == [("connection", None)]


def test_declaring_twice_is_declaring_once() -> None:
    jobs: Any = queue.Queue()
    assert carry_queue(carry_queue(jobs)) is jobs
    with simulated(run="rush-hour"):
        jobs.put(1)
    found = []
    thread = threading.Thread(target=lambda: found.append((jobs.get(), is_synthetic())))
    thread.start()
    thread.join()
    assert found == [(1, True)]


@pytest.mark.parametrize("other", [queue.SimpleQueue(), [], None])
def test_anything_else_is_rejected_and_the_error_names_carry(other: Any) -> None:
    with pytest.raises(TypeError, match=r"synthetic\.carry\(job\)"):
        carry_queue(other)


# Tasks


async def taking(jobs: asyncio.Queue[Any]) -> Any:
    return await jobs.get()


TAKE: dict[str, Callable[[Any], Any]] = {
    "get": lambda jobs: jobs.get(),
    "get with a timeout": lambda jobs: asyncio.wait_for(jobs.get(), 60),
    "get in a task of its own": lambda jobs: asyncio.create_task(jobs.get()),
    "get among others": lambda jobs: _first_of(jobs.get()),
}


async def _first_of(getting: Any) -> Any:
    task = asyncio.ensure_future(getting)
    await asyncio.wait([task], return_when=asyncio.FIRST_COMPLETED)
    return task.result()


@pytest.mark.parametrize("take", TAKE)
@pytest.mark.parametrize("is_backlog", [False, True])
@pytest.mark.parametrize("first", ["simulated", "undecided"])
@pytest.mark.parametrize("make", [asyncio.Queue, asyncio.LifoQueue])
def test_a_task_handles_each_job_under_the_verdict_of_whoever_put_it_there(
    make: Any, first: str, is_backlog: bool, take: str
) -> None:
    async def main() -> None:
        jobs = carry_queue(make())

        async def work() -> None:
            while (who := await TAKE[take](jobs)) is not None:
                handle(who)
                await asyncio.sleep(0)
                jobs.task_done()

        async def start() -> asyncio.Task[None]:
            return asyncio.create_task(work())

        if not is_backlog:
            with KINDS[first]():
                worker = await start()
        for who in JOBS:
            with KINDS[who]():
                await jobs.put(who)
            if not is_backlog:
                await jobs.join()
        if is_backlog:
            with KINDS[first]():
                worker = await start()
            await jobs.join()
        await jobs.put(None)
        await worker

    asyncio.run(main())
    assert sorted(charged) == sorted(PAID)
    assert refused == []


def test_a_task_that_real_work_has_started_refuses_simulated_jobs_and_does_real_ones() -> None:
    """A task holds the verdict "real" of its starter, and nothing tells whether that goes on."""

    async def main() -> None:
        jobs: Any = carry_queue(asyncio.Queue())

        async def work() -> None:
            while (who := await jobs.get()) is not None:
                handle(who)

        with real():
            worker = asyncio.create_task(work())
        for who in JOBS:
            with KINDS[who]():
                await jobs.put(who)
        await jobs.put(None)
        await worker

    asyncio.run(main())
    assert (charged, refused) == (PAID, [who for who in JOBS if who == "simulated"])


# Other libraries


@pytest.mark.parametrize("first", ["simulated", "undecided"])
def test_janus_carries_from_threads_to_tasks_and_back(first: str) -> None:
    janus = pytest.importorskip("janus")

    async def main() -> None:
        jobs = carry_queue(janus.Queue())
        back = carry_queue(janus.Queue())

        async def work() -> None:
            while (who := await asyncio.wait_for(jobs.async_q.get(), 60)) is not None:
                handle(who)
                await back.async_q.put(who)

        def thread_work() -> None:
            found.extend((back.sync_q.get(), is_synthetic()) for _ in JOBS)

        found: list[tuple[str, bool]] = []
        with KINDS[first]():
            worker = asyncio.create_task(work())
            thread = threading.Thread(target=thread_work)
            thread.start()
        for who in JOBS:
            with KINDS[who]():
                jobs.sync_q.put(who)
        jobs.sync_q.put(None)
        await worker
        await asyncio.to_thread(thread.join)
        assert found == [(who, who == "simulated") for who in JOBS]
        for one in (jobs, back):
            await one.aclose()

    asyncio.run(main())
    assert (charged, refused) == (PAID, [])


@pytest.mark.parametrize("size", [0, 10])
@pytest.mark.parametrize("first", ["simulated", "undecided"])
def test_anyios_memory_streams_carry_and_give_the_items_themselves(first: str, size: int) -> None:
    import anyio

    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[str](size)
        carry_queue(send)
        received = []

        async def work() -> None:
            async with receive.clone() as stream:
                async for who in stream:
                    received.append(who)
                    handle(who)

        with KINDS[first]():
            worker = asyncio.create_task(work())
        for who in JOBS:
            with KINDS[who]():
                await send.send(who)
        send.close()
        await worker
        receive.close()
        assert received == JOBS

    asyncio.run(main())
    assert (charged, refused) == (PAID, [])


def test_an_anyio_stream_that_is_not_declared_carries_nothing() -> None:
    import anyio

    async def main() -> Any:
        declared, _ = anyio.create_memory_object_stream[str](1)
        carry_queue(declared)
        send, receive = anyio.create_memory_object_stream[str](1)
        with simulated(run="rush-hour"):
            await send.send("answer")
        found = await receive.receive(), current_verdict()
        for stream in (declared, _, send, receive):
            stream.close()
        return found

    assert asyncio.run(main()) == ("answer", None)
