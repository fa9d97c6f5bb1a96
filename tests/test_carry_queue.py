"""``carry_queue``: each job is handled under the verdict of whoever put it there, whoever has started the worker."""

from __future__ import annotations

import asyncio
import contextvars
import json
import multiprocessing.pool
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import anyio
import anyio.to_thread
import pytest
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import get_current
from opentelemetry.sdk.trace import TracerProvider

import synthetic
from synthetic import UnverifiedMarker, carry_queue, current, guard, is_synthetic, real, simulated
from synthetic._model.verdict import OUTLIVED, REAL, Verdict
from synthetic._work.mirror import is_mirrored
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


# Several tasks may hold the hand that takes a job


def state() -> str:
    try:
        return "simulated" if is_synthetic() else "real"
    except UnverifiedMarker:
        return "refused"


async def told() -> str:
    return state()


def put_by(kind: str, jobs: Any, item: Any) -> None:
    with KINDS[kind]():
        jobs.put_nowait(item)


class Turns:
    """A task that says what it is whenever it is asked."""

    def __init__(self) -> None:
        self._turn: asyncio.Queue[asyncio.Future[str] | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while (answer := await self._turn.get()) is not None:
            answer.set_result(state())

    async def state(self) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._turn.put_nowait(answer)
        return await answer

    async def end(self) -> None:
        self._turn.put_nowait(None)
        await self._task


def in_a_task(work: Callable[[], Any]) -> Any:
    """Run a worker in a task of its own, without a verdict."""

    async def main() -> Any:
        return await asyncio.create_task(work())

    return asyncio.run(main())


def in_a_thread(work: Callable[[], Any]) -> Any:
    """Run a worker in a thread of its own, without a verdict."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_a_heartbeat_that_begins_while_the_worker_waits_is_never_simulated() -> None:
    async def work() -> list[str]:
        jobs: Any = carry_queue(asyncio.Queue())
        getting = asyncio.create_task(jobs.get())
        heartbeat = Turns()
        before = await heartbeat.state()
        put_by("simulated", jobs, 1)
        await getting
        found = [before, await heartbeat.state(), state()]
        await heartbeat.end()
        return found

    assert in_a_task(work) == ["real", "refused", "simulated"]


def test_a_heartbeat_that_begins_between_two_empty_polls_is_real_for_good() -> None:
    async def work() -> list[str]:
        jobs: Any = carry_queue(asyncio.Queue())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(jobs.get(), 0.001)
        heartbeat = Turns()
        put_by("simulated", jobs, 1)
        await asyncio.wait_for(jobs.get(), 60)
        found = [state(), await heartbeat.state()]
        await heartbeat.end()
        return found

    assert in_a_task(work) == ["simulated", "real"]


def test_a_task_that_a_job_has_started_never_becomes_real() -> None:
    async def work() -> list[str]:
        jobs: Any = carry_queue(asyncio.Queue())
        put_by("simulated", jobs, 1)
        await jobs.get()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(jobs.get(), 0.001)
        child = Turns()
        found = [await child.state()]
        for _ in range(2):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(jobs.get(), 0.001)
            found.append(await child.state())
        put_by("real", jobs, 2)
        await jobs.get()
        found.append(await child.state())
        await child.end()
        return found

    assert in_a_task(work) == ["simulated", "refused", "refused", "refused"]


def test_a_context_that_a_job_has_copied_never_becomes_real() -> None:
    jobs: Any = carry_queue(queue.Queue())
    put_by("simulated", jobs, 1)

    def work() -> list[str]:
        jobs.get()
        with pytest.raises(queue.Empty):
            jobs.get_nowait()
        context = contextvars.copy_context()
        found = [context.run(state)]
        with pytest.raises(queue.Empty):
            jobs.get_nowait()
        return [*found, context.run(state), state()]

    assert in_a_thread(work) == ["simulated", "refused", "real"]


@pytest.mark.parametrize("take", ["get", "get with a timeout", "get in a task of its own"])
def test_tasks_that_a_job_starts_are_simulated_once_the_worker_has_looked(take: str) -> None:
    """The hand that has asked is shared with tasks from before. What the worker does first makes it its own."""

    async def work() -> list[str]:
        jobs: Any = carry_queue(asyncio.Queue())
        put_by("simulated", jobs, 1)
        await TAKE[take](jobs)
        return [state(), *await asyncio.gather(told(), told())]

    assert in_a_task(work) == ["simulated"] * 3


@pytest.mark.parametrize("kinds", [("simulated", "undecided"), ("undecided", "simulated")])
def test_a_worker_that_waits_for_two_queues_never_handles_a_job_under_the_verdict_of_the_other(
    kinds: tuple[str, str],
) -> None:
    async def work() -> dict[str, str]:
        queues: list[Any] = [carry_queue(asyncio.Queue()) for _ in kinds]
        waiting = {asyncio.create_task(jobs.get()): jobs for jobs in queues}
        found: dict[str, str] = {}
        await asyncio.sleep(0)
        for kind, jobs in zip(kinds, queues, strict=True):
            put_by(kind, jobs, kind)
        while len(found) < 2:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                found[task.result()] = state()
                jobs = waiting.pop(task)
                waiting[asyncio.create_task(jobs.get())] = jobs
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        return found

    found = in_a_task(work)
    assert found["simulated"] == "refused"
    assert found["undecided"] in ("real", "refused")


def test_a_worker_that_waits_for_two_queues_does_real_jobs_as_long_as_all_are_real() -> None:
    async def work() -> list[str]:
        one, other = (carry_queue(asyncio.Queue()) for _ in range(2))
        getting = [asyncio.create_task(jobs.get()) for jobs in (one, other)]
        await asyncio.sleep(0)
        for jobs in (one, other):
            put_by("real", jobs, 1)
        await asyncio.wait(getting)
        return [state()]

    assert in_a_task(work) == ["real"]


@pytest.mark.parametrize("kinds", [("simulated", "undecided"), ("undecided", "simulated")])
def test_a_worker_that_asks_for_the_next_job_while_it_handles_this_one_never_confuses_them(
    kinds: tuple[str, str],
) -> None:
    async def work() -> dict[str, str]:
        jobs: Any = carry_queue(asyncio.Queue())
        for kind in kinds:
            put_by(kind, jobs, kind)
        found: dict[str, str] = {}
        following = asyncio.create_task(jobs.get())
        for _ in kinds:
            job = await following
            following = asyncio.create_task(jobs.get())
            for _ in range(5):
                await asyncio.sleep(0)
            found[job] = state()
        following.cancel()
        return found

    found = in_a_task(work)
    assert found["simulated"] in ("simulated", "refused")
    assert found["undecided"] in ("real", "refused")
    assert "refused" in found.values()


def test_a_worker_may_cancel_its_get_and_ask_again_at_once() -> None:
    async def work() -> list[str]:
        jobs: Any = carry_queue(asyncio.Queue())
        getting = asyncio.create_task(jobs.get())
        await asyncio.wait({getting}, timeout=0.001)
        getting.cancel()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(jobs.get(), 0.001)
        found = []
        for kind in ("simulated", "real"):
            put_by(kind, jobs, kind)
            await asyncio.wait_for(jobs.get(), 60)
            found.append(state())
        return found

    assert in_a_task(work) == ["simulated", "real"]


def test_a_get_that_is_cancelled_before_it_begins_is_forgotten() -> None:
    async def work() -> list[str]:
        jobs: Any = carry_queue(asyncio.Queue())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(jobs.get(), 0)
        put_by("simulated", jobs, 1)
        await jobs.get()
        return [state()]

    assert in_a_task(work) == ["simulated"]


@pytest.mark.parametrize("kind", ["simulated", "undecided"])
def test_a_task_that_takes_a_simulated_item_for_another_one_is_reported(kind: str) -> None:
    """Its verdict does not come along with the item."""
    errors: list[BaseException] = []

    async def take_for_another(jobs: Any) -> Any:
        return await jobs.get()

    async def work() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, how: errors.append(how["exception"]))
        jobs: Any = carry_queue(asyncio.Queue())
        put_by(kind, jobs, "job")
        job = await asyncio.create_task(take_for_another(jobs))
        await asyncio.sleep(0)
        return job

    assert in_a_task(work) == "job"
    assert [str(error).partition("If that")[0][-24:] for error in errors] == (
        ["and ends with a result. "] if kind == "simulated" else []
    )


# Pools


def test_a_pools_thread_forgets_what_a_job_has_taken() -> None:
    jobs: Any = carry_queue(queue.Queue())

    def work() -> None:
        jobs.get()
        seen.append(state())
        raise LookupError

    seen: list[str] = []
    put_by("simulated", jobs, 1)
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(LookupError):
            pool.submit(work).result()
        assert pool.submit(state).result() == "real"
        assert not pool.submit(lambda: is_mirrored(get_current())).result()
        with real():
            assert pool.submit(state).result() == "real"
    assert seen == ["simulated"]


GETS: dict[str, Callable[[Any, Any], Any]] = {
    "run_in_executor": lambda pool, get: asyncio.get_running_loop().run_in_executor(pool, get),
    "to_thread": lambda _, get: asyncio.to_thread(get),
}


@pytest.mark.parametrize("how", GETS)
def test_a_pool_job_that_returns_a_simulated_item_raises(how: str) -> None:
    """Whoever waits for it would handle the item as real."""
    jobs: Any = carry_queue(queue.Queue())

    async def work(pool: Any) -> Any:
        put_by("undecided", jobs, "job")
        assert await GETS[how](pool, jobs.get) == "job"
        put_by("simulated", jobs, "job")
        with pytest.raises(RuntimeError, match=r"threading\.Thread"):
            await GETS[how](pool, lambda: jobs.get(timeout=60))
        with real():
            assert await GETS[how](pool, state) == "real"
        return await GETS[how](pool, state)

    with ThreadPoolExecutor(1) as pool:
        assert in_a_task(lambda: work(pool)) == "real"


def test_a_worker_in_a_pool_does_each_job() -> None:
    jobs: Any = carry_queue(queue.Queue())

    def work() -> None:
        for who in iter(jobs.get, None):
            handle(who)

    for who in JOBS:
        put_by(who, jobs, who)
    jobs.put(None)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    assert (charged, refused) == (PAID, [])


def test_a_worker_that_simulated_work_submits_to_a_pool_refuses_real_jobs() -> None:
    jobs: Any = carry_queue(queue.Queue())

    def work() -> None:
        for who in iter(jobs.get, None):
            handle(who)

    for who in JOBS:
        put_by(who, jobs, who)
    jobs.put(None)
    with ThreadPoolExecutor(1) as pool, simulated(run="rush-hour"):
        pool.submit(work).result()
    assert (charged, refused) == ([], PAID)


def in_anyio(get: Any) -> Any:
    async def main() -> Any:
        return await anyio.to_thread.run_sync(get)

    return asyncio.run(main())


def in_multiprocessing(get: Any) -> Any:
    with multiprocessing.pool.ThreadPool(1) as pool:
        return pool.apply(get)


@pytest.mark.parametrize("run", [in_anyio, in_multiprocessing])
def test_get_raises_in_a_pool_that_cannot_keep_the_verdict(run: Any) -> None:
    jobs: Any = carry_queue(queue.Queue())
    put_by("undecided", jobs, 1)
    with pytest.raises(RuntimeError, match=r"threading\.Thread"):
        run(jobs.get)
    assert jobs.qsize() == 1


# Items past the queue's methods


def taken_by_a_thread(jobs: Any) -> str:
    def work() -> str:
        jobs.get(timeout=60)
        return state()

    return in_a_thread(work)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kinds", [("simulated", "undecided"), ("undecided", "simulated")])
def test_an_item_does_not_get_the_tag_of_one_that_was_cleared(kinds: tuple[str, str]) -> None:
    jobs: Any = carry_queue(queue.Queue())
    put_by(kinds[0], jobs, "refresh")
    jobs.queue.clear()
    put_by(kinds[1], jobs, "refresh")
    assert taken_by_a_thread(jobs) == {"undecided": "real"}.get(kinds[1], kinds[1])


def test_items_of_a_queue_that_somebody_changes_are_refused_until_it_is_empty_again() -> None:
    jobs: Any = carry_queue(queue.Queue())
    for kind in ("simulated", "undecided", "undecided"):
        put_by(kind, jobs, "refresh")
    jobs.queue.popleft()
    assert [taken_by_a_thread(jobs), taken_by_a_thread(jobs)] == ["refused", "refused"]
    put_by("undecided", jobs, "refresh")
    assert taken_by_a_thread(jobs) == "real"


def test_real_items_are_real_whatever_somebody_does_with_the_queue() -> None:
    jobs: Any = carry_queue(queue.Queue())
    for item in range(3):
        put_by("undecided", jobs, item)
    jobs.queue.popleft()
    jobs.queue.append("another")
    jobs.queue.append("one more")
    assert [taken_by_a_thread(jobs) for _ in range(4)] == ["real"] * 4


def test_an_item_from_before_the_declaration_is_undecided() -> None:
    jobs: Any = queue.Queue()
    put_by("undecided", jobs, "job")
    carry_queue(jobs)
    put_by("simulated", jobs, "job")
    assert [taken_by_a_thread(jobs), taken_by_a_thread(jobs)] == ["real", "simulated"]


class Closing(queue.Queue[Any]):
    is_closed = True

    def _put(self, item: Any) -> None:
        if self.is_closed:
            raise LookupError
        super()._put(item)


def test_an_item_that_could_not_be_put_leaves_no_tag() -> None:
    jobs: Any = carry_queue(Closing())
    with pytest.raises(LookupError):
        put_by("simulated", jobs, "job")
    jobs.is_closed = False
    put_by("undecided", jobs, "job")
    assert taken_by_a_thread(jobs) == "real"


class Unique(queue.Queue[Any]):
    def _init(self, maxsize: int) -> None:
        self.queue: Any = {}

    def _put(self, item: Any) -> None:
        self.queue[item] = None

    def _get(self) -> Any:
        item = next(iter(self.queue))
        del self.queue[item]
        return item


def test_a_duplicate_that_is_dropped_leaves_no_tag() -> None:
    jobs: Any = carry_queue(Unique())
    with simulated(run="rush-hour"):
        jobs.put("job")
        jobs.put("job")
    assert taken_by_a_thread(jobs) == "simulated"
    put_by("undecided", jobs, "job")
    assert taken_by_a_thread(jobs) == "real"
    put_by("simulated", jobs, "job")
    put_by("undecided", jobs, "job")
    assert taken_by_a_thread(jobs) == "refused", "one item, of both"


class Newest(queue.Queue[Any]):
    def _init(self, maxsize: int) -> None:
        self.queue = deque(maxlen=2)


@pytest.mark.parametrize("kinds", [("simulated", "undecided"), ("undecided", "simulated")])
def test_a_queue_that_drops_the_oldest_item_never_confuses_them(kinds: tuple[str, str]) -> None:
    jobs: Any = carry_queue(Newest())
    for kind in (kinds[0], kinds[0], kinds[1]):
        put_by(kind, jobs, kind)
    found = [taken_by_a_thread(jobs) for _ in range(2)]
    assert found[0] in ("simulated" if kinds[0] == "simulated" else "real", "refused")
    assert found[1] in ("simulated" if kinds[1] == "simulated" else "real", "refused")


class Encoding(queue.Queue[Any]):
    def _put(self, item: Any) -> None:
        super()._put(json.dumps(item))

    def _get(self) -> Any:
        return json.loads(super()._get())


def test_a_queue_that_gives_other_objects_than_were_put_refuses_them_once_one_is_simulated() -> None:
    jobs: Any = carry_queue(Encoding())
    put_by("undecided", jobs, ["job"])
    assert taken_by_a_thread(jobs) == "real"
    put_by("simulated", jobs, ["job"])
    assert taken_by_a_thread(jobs) == "refused"


def test_a_queue_that_is_emptied_by_its_own_method_gives_nobody_a_job() -> None:
    """``Queue.shutdown(immediate=True)`` of Python 3.13 does that."""
    jobs: Any = carry_queue(queue.Queue())
    put_by("simulated", jobs, 1)

    def empty() -> str:
        while jobs._qsize():
            jobs._get()
        return state()

    assert in_a_thread(empty) == "real"


DROPS: dict[str, Callable[[Any], Any]] = {
    "get_nowait": lambda jobs: jobs.get_nowait(),
    "get(False)": lambda jobs: jobs.get(False),
    "get(block=False)": lambda jobs: jobs.get(block=False),
}


@pytest.mark.parametrize("drop", DROPS)
def test_what_a_producer_puts_instead_of_the_oldest_item_is_never_simulated(drop: str) -> None:
    jobs: Any = carry_queue(queue.Queue(1))

    def produce() -> str:
        DROPS[drop](jobs)
        jobs.put("new")
        return state()

    put_by("undecided", jobs, "old")
    assert [in_a_thread(produce), taken_by_a_thread(jobs)] == ["real", "real"]
    put_by("simulated", jobs, "old")
    assert [in_a_thread(produce), taken_by_a_thread(jobs)] == ["refused", "refused"]


def test_a_worker_may_poll_a_queue_that_is_not_full() -> None:
    jobs: Any = carry_queue(queue.Queue(2))
    put_by("simulated", jobs, "job")

    def work() -> str:
        jobs.get_nowait()
        return state()

    assert in_a_thread(work) == "simulated"


def test_a_producer_that_drops_the_oldest_item_stays_real_in_a_block() -> None:
    jobs: Any = carry_queue(queue.Queue(1))
    put_by("simulated", jobs, "old")

    def produce() -> str:
        with real():
            jobs.get_nowait()
            jobs.put("new")
        return state()

    assert [in_a_thread(produce), taken_by_a_thread(jobs)] == ["real", "real"]


def test_a_sync_endpoint_may_take_an_item_in_a_block() -> None:
    """Without one, it is a job of a pool, as a worker might be, and refuses the work of others."""
    jobs: Any = carry_queue(queue.Queue())

    def endpoint() -> str:
        jobs.get()
        return state()

    def in_a_block() -> str:
        with real():
            return endpoint()

    async def main() -> list[str]:
        found = []
        with real():  # a request
            for call in (endpoint, in_a_block):
                put_by("simulated", jobs, 1)
                found.append(await anyio.to_thread.run_sync(call))
            found.append(state())
        return found

    assert asyncio.run(main()) == ["refused", "real", "real"]


def test_a_job_that_was_taken_in_a_span_injects_its_own_marker_and_not_that_of_the_job_before() -> None:
    tracer = TracerProvider().get_tracer("jobs")
    jobs: queue.Queue[str | None] = carry_queue(queue.Queue())
    injected: list[tuple[str, bool]] = []

    def work() -> None:
        job = jobs.get()
        while job is not None:
            carrier: dict[str, str] = {}
            W3CBaggagePropagator().inject(carrier)
            injected.append((job, "baggage" in carrier))
            with tracer.start_as_current_span("poll"):
                job = jobs.get()

    worker = threading.Thread(target=work)
    worker.start()
    for number, kind in enumerate(("simulated", "real", "simulated", "real")):
        with simulated(run=f"run-{number}") if kind == "simulated" else real():
            jobs.put(kind)
    jobs.put(None)
    worker.join()
    assert injected == [("simulated", True), ("real", False)] * 2
