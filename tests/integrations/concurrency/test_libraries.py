"""Libraries that keep workers, unmodified: a job is handled as its submitter would, whoever has started the workers.

Jobs of simulated work, of real work and of nobody are interleaved.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import logging.handlers
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import synthetic
from synthetic import UnverifiedMarker, guard, is_synthetic, real, simulated
from synthetic._work.state import current_verdict
from tests.integrations.concurrency.marks import FORKS
from tests.products.concurrency import seen
from tests.support.servers import wait_until

pytestmark = FORKS

pytest.importorskip("loky", reason="these libraries do not fit the oldest versions of what they depend on")

RUN = "rush-hour"
KINDS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "simulated": lambda: simulated(run=RUN),
    "real": real,
    "undecided": nullcontext,
}
JOBS = ["simulated", "real", "undecided", "simulated", "real"]
HANDLED = [RUN if kind == "simulated" else "unset" for kind in JOBS]


@pytest.fixture(autouse=True)
def instrumented(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys)
    synthetic.instrument("concurrency")
    yield
    synthetic.uninstrument("concurrency")


def say(_: object = None) -> str:
    return seen()


# Pools of processes and threads


class Loky:
    def __init__(self) -> None:
        from loky import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(1)

    def run(self) -> str:
        return str(self._pool.submit(say).result(60))

    def close(self) -> None:
        self._pool.shutdown(kill_workers=True)


class ReusedLoky:
    def run(self) -> str:
        from loky import get_reusable_executor

        return str(get_reusable_executor(max_workers=1).submit(say).result(60))

    def close(self) -> None:
        from loky import get_reusable_executor

        get_reusable_executor(max_workers=1).shutdown(kill_workers=True)


class Joblib:
    backend = "loky"

    def run(self) -> str:
        import joblib

        (found,) = joblib.Parallel(n_jobs=2, backend=self.backend)([joblib.delayed(say)()])
        return str(found)

    def close(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(kill_workers=True)


class JoblibThreads(Joblib):
    backend = "threading"

    def close(self) -> None:
        pass


class Billiard:
    def __init__(self) -> None:
        import billiard

        self._pool = billiard.Pool(1)

    def run(self) -> str:
        return str(self._pool.apply_async(say).get(60))

    def close(self) -> None:
        self._pool.terminate()
        self._pool.join()


class Multiprocess:
    def __init__(self) -> None:
        import multiprocess

        self._pool = multiprocess.Pool(1)

    def run(self) -> str:
        return str(self._pool.map(lambda _: say(), [1])[0])

    def close(self) -> None:
        self._pool.terminate()
        self._pool.join()


class PebbleThreads:
    def __init__(self) -> None:
        from pebble import ThreadPool

        self._pool: Any = ThreadPool(max_workers=1)
        self._pool.schedule(say).result(60)

    def run(self) -> str:
        return str(self._pool.schedule(say).result(60))

    def close(self) -> None:
        self._pool.stop()
        self._pool.join()


class PebbleProcesses(PebbleThreads):
    def __init__(self) -> None:
        from pebble import ProcessPool

        self._pool = ProcessPool(max_workers=1)
        self._pool.schedule(say).result(60)


POOLS = [Loky, ReusedLoky, Joblib, JoblibThreads, Billiard, Multiprocess, PebbleThreads, PebbleProcesses]


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("make", POOLS)
def test_a_job_of_a_pool_has_the_verdict_of_whoever_submits_it(make: type[Any], first: str) -> None:
    with KINDS[first]():
        pool = make()
        pool.run()
    found = []
    try:
        for kind in JOBS:
            with KINDS[kind]():
                found.append(pool.run())
    finally:
        pool.close()
    assert found == HANDLED


def test_pebbles_decorated_functions_have_the_verdict_of_their_caller() -> None:
    from pebble import concurrent

    in_thread: Any = concurrent.thread(say)
    in_process: Any = concurrent.process(say)
    for kind, handled in zip(JOBS, HANDLED, strict=True):
        with KINDS[kind]():
            assert (in_thread().result(60), in_process().result(60)) == (handled, handled)


# anyio, aiojobs


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("where", ["to_thread", "to_process"])
def test_anyios_workers_serve_everybody(where: str, first: str) -> None:
    import anyio
    import anyio.to_process

    async def main() -> list[str]:
        run_sync = getattr(anyio, where).run_sync
        found = []
        with KINDS[first]():
            await run_sync(say)
        for kind in JOBS:
            with KINDS[kind]():
                found.append(await run_sync(say))
        return found

    # A job in the same context sees "real" itself; another process knows only what is carried.
    expected = [RUN if kind == "simulated" else kind for kind in JOBS]
    expected = [{"undecided": "unset"}.get(kind, kind) for kind in expected] if where == "to_thread" else HANDLED
    assert anyio.run(main) == expected


@pytest.mark.parametrize("first", KINDS)
def test_aiojobs_starts_a_pending_job_under_the_verdict_of_whoever_spawned_it(first: str) -> None:
    import aiojobs

    async def main() -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        go_on = asyncio.Event()

        async def job(kind: str) -> None:
            await go_on.wait()
            found.append((kind, seen()))

        with KINDS[first]():
            scheduler = aiojobs.Scheduler(limit=1)
            await scheduler.spawn(job(first))
        for kind in JOBS:
            with KINDS[kind]():
                await scheduler.spawn(job(kind))
        go_on.set()
        await scheduler.wait_and_close()
        return found

    names = {"simulated": RUN, "undecided": "unset"}
    assert asyncio.run(main()) == [(kind, names.get(kind, kind)) for kind in (first, *JOBS)]


# Schedulers


@pytest.mark.parametrize("first", KINDS)
def test_a_job_of_apscheduler_has_the_verdict_of_whoever_added_it(first: str) -> None:
    from apscheduler.schedulers.background import BackgroundScheduler

    found: list[tuple[str, str]] = []
    with KINDS[first]():
        scheduler = BackgroundScheduler()
        scheduler.start()
    for kind in JOBS:
        with KINDS[kind]():
            scheduler.add_job(lambda kind=kind: found.append((kind, seen())))
    wait_until(lambda: len(found) == len(JOBS) and not scheduler.get_jobs())  # it still removes the last one
    scheduler.shutdown()
    assert sorted(found) == sorted(zip(JOBS, HANDLED, strict=True))


async def asynchronous(found: list[tuple[str, str]], kind: str) -> None:
    await asyncio.sleep(0)
    found.append((kind, seen()))


def at_once(found: list[tuple[str, str]], kind: str) -> None:
    found.append((kind, seen()))


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("is_text", [False, True])
@pytest.mark.parametrize("job", [at_once, asynchronous])
@pytest.mark.parametrize("name", ["asyncio.AsyncIOScheduler", "tornado.TornadoScheduler"])
def test_a_job_of_apscheduler_in_an_event_loop_has_the_verdict_of_whoever_added_it(
    name: str, job: Any, is_text: bool, first: str
) -> None:
    module, _, kind_of_scheduler = name.partition(".")
    if module == "tornado":
        pytest.importorskip("tornado")
    make: Any = getattr(importlib.import_module(f"apscheduler.schedulers.{module}"), kind_of_scheduler)
    found: list[tuple[str, str]] = []

    async def main() -> None:
        with KINDS[first]():
            scheduler = make()
            scheduler.start()
        for kind in JOBS:
            with KINDS[kind]():
                scheduler.add_job(f"{__name__}:{job.__name__}" if is_text else job, args=(found, kind))
        while len(found) < len(JOBS):
            await asyncio.sleep(0.01)
        scheduler.shutdown()

    asyncio.run(asyncio.wait_for(main(), 60))
    names = {handled for _, handled in found}
    assert names <= {RUN, "unset", "real"}
    assert all((handled == RUN) == (kind == "simulated") for kind, handled in found)


@pytest.mark.parametrize("first", KINDS)
def test_a_text_names_a_job_of_apscheduler_which_has_the_verdict_of_whoever_added_it(first: str) -> None:
    from apscheduler.schedulers.background import BackgroundScheduler

    found: list[tuple[str, str]] = []
    with KINDS[first]():
        scheduler = BackgroundScheduler()
        scheduler.start()
    for kind in JOBS:
        with KINDS[kind]():
            scheduler.add_job(f"{__name__}:at_once", args=(found, kind))
    with simulated(run=RUN):
        later = scheduler.add_job(print, "date", run_date=datetime.now(timezone.utc) + timedelta(days=1))
        later.modify(func=f"{__name__}:at_once", args=(found, "modified"))
    later.modify(next_run_time=datetime.now(timezone.utc))
    wait_until(lambda: len(found) == len(JOBS) + 1 and not scheduler.get_jobs())
    scheduler.shutdown()
    assert sorted(found) == sorted([*zip(JOBS, HANDLED, strict=True), ("modified", RUN)])


def test_a_real_job_of_apscheduler_that_waits_while_simulated_work_adds_one_stays_real() -> None:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    found: list[tuple[str, str]] = []

    async def main() -> None:
        scheduler = AsyncIOScheduler()
        scheduler.start()
        due = datetime.now(timezone.utc) + timedelta(seconds=0.2)
        scheduler.add_job(asynchronous, "date", run_date=due, args=(found, "undecided"))
        with simulated(run=RUN):
            scheduler.add_job(asynchronous, "date", run_date=due, args=(found, "simulated"))
            while len(found) < 2:
                await asyncio.sleep(0.01)
        scheduler.shutdown()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert sorted(found) == [("simulated", RUN), ("undecided", "unset")]


@pytest.mark.parametrize("is_text", [False, True])
@pytest.mark.parametrize("job", [at_once, asynchronous])
def test_a_store_of_apscheduler_that_pickles_does_not_take_a_job_of_simulated_work(job: Any, is_text: bool) -> None:
    """It would keep the name of the function, without the verdict."""
    from apscheduler.schedulers.background import BackgroundScheduler

    name = f"{__name__}:{job.__name__}"
    scheduler = BackgroundScheduler()
    scheduler.start(paused=True)
    try:
        kept = scheduler.add_job(name if is_text else job, args=([], "real"))
        assert kept.__getstate__()["func"] == name
        with simulated(run=RUN):
            added = scheduler.add_job(name if is_text else job, args=([], "simulated"))
            kept.modify(func=name if is_text else job)
        for one in (added, kept):
            with pytest.raises(ValueError, match="cannot be serialized"):
                one.__getstate__()
    finally:
        scheduler.shutdown()


# Functions of these libraries that an application passes to a thread or process of its own


async def _note() -> None:
    found_elsewhere.put(seen())


found_elsewhere: Any = queue.SimpleQueue()


@pytest.mark.parametrize("library", ["anyio", "trio"])
def test_an_event_loop_in_a_thread_of_simulated_work_is_simulated(library: str) -> None:
    run = pytest.importorskip(library).run
    for kind, handled in zip(JOBS, HANDLED, strict=True):
        with KINDS[kind]():
            thread = threading.Thread(target=run, args=(_note,))
            thread.start()
            thread.join()
        assert found_elsewhere.get(timeout=60) == handled


@pytest.mark.parametrize("library", ["multiprocessing", "multiprocess", "billiard"])
def test_an_event_loop_in_a_process_of_simulated_work_is_simulated(library: str) -> None:
    import anyio

    module: Any = importlib.import_module(library)
    context = module.get_context("fork")
    receiving, sending = context.Pipe()

    async def note() -> None:
        sending.send(seen())

    for kind, handled in zip(JOBS, HANDLED, strict=True):
        with KINDS[kind]():
            process = context.Process(target=anyio.run, args=(note,))
            process.start()
            process.join()
        assert receiving.recv() == handled


def test_a_call_into_an_event_loop_from_a_thread_of_simulated_work_is_simulated() -> None:
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        for kind in JOBS:
            with KINDS[kind]():
                thread = threading.Thread(target=portal.call, args=(_note,))
                thread.start()
                thread.join()
            assert (found_elsewhere.get(timeout=60) == RUN) == (kind == "simulated")


@pytest.mark.parametrize("first", KINDS)
def test_a_portal_of_anyio_serves_everybody(first: str) -> None:
    from anyio.from_thread import start_blocking_portal

    with ExitStack() as stack:
        with KINDS[first]():
            portal = stack.enter_context(start_blocking_portal())
        for kind in JOBS:
            with KINDS[kind]():
                portal.call(_note)
            assert (found_elsewhere.get(timeout=60) == RUN) == (kind == "simulated")


def test_a_function_of_multiprocessing_in_a_thread_of_simulated_work_is_simulated() -> None:
    from multiprocessing.connection import Pipe
    from multiprocessing.pool import mapstar

    class Telling:
        def __reduce__(self) -> Any:
            found_elsewhere.put(seen())
            return str, ()

    _, sending = Pipe()
    for target, argument in ((sending.send, Telling()), (mapstar, (say_elsewhere, [1]))):
        for kind, handled in zip(JOBS, HANDLED, strict=True):
            with KINDS[kind]():
                thread = threading.Thread(target=target, args=(argument,))  # type: ignore[arg-type]
                thread.start()
                thread.join()
            assert found_elsewhere.get(timeout=60) == handled


def say_elsewhere(_: object) -> None:
    found_elsewhere.put(seen())


def test_a_log_record_that_a_thread_of_simulated_work_makes_is_simulated() -> None:
    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found_elsewhere.put(seen())

    logger = logging.getLogger("rides")
    handler = Noting()
    logger.addHandler(handler)
    try:
        for kind, handled in zip(JOBS, HANDLED, strict=True):
            with KINDS[kind]():
                thread = threading.Thread(target=logger.warning, args=("hello",))
                thread.start()
                thread.join()
            assert found_elsewhere.get(timeout=60) == handled
    finally:
        logger.removeHandler(handler)


# Threads that applications and libraries keep


charged: list[str] = []


@guard("payment")
def charge(who: str) -> None:
    charged.append(who)


@pytest.mark.parametrize("first", KINDS)
def test_a_queue_listener_handles_the_records_of_everybody(first: str) -> None:
    class Charging(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append((record.getMessage(), seen()))

    found: list[tuple[str, str]] = []
    records: queue.Queue[Any] = queue.Queue()
    listener = logging.handlers.QueueListener(records, Charging())
    with KINDS[first]():
        listener.start()
    for kind in JOBS:
        with KINDS[kind]():
            records.put(logging.makeLogRecord({"msg": kind}))
    listener.stop()
    assert found == [(kind, "unset") for kind in JOBS]


@pytest.mark.parametrize("first", KINDS)
def test_a_refresher_that_waits_for_an_event_skips_no_real_work_in_silence(first: str) -> None:
    charged.clear()
    due, done, found = threading.Event(), threading.Event(), list[str]()

    def refresh() -> None:
        while due.wait(60) and len(found) < 3:
            due.clear()
            try:
                charge("refresh")
                found.append("done")
            except UnverifiedMarker:
                found.append("refused")
            done.set()

    with KINDS[first]():
        thread = threading.Thread(target=refresh, daemon=True)
        thread.start()
    for _ in range(3):
        due.set()
        assert done.wait(60)
        done.clear()
    due.set()
    thread.join()
    assert set(found) == ({"refused"} if first == "simulated" else {"done"})
    assert len(charged) == (0 if first == "simulated" else 3)


@pytest.mark.parametrize("first", KINDS)
def test_datasettes_write_thread_skips_no_real_write_in_silence_and_executes_no_simulated_one(first: str) -> None:
    from datasette.app import Datasette

    charged.clear()

    async def main() -> list[tuple[str, str]]:
        datasette = Datasette(memory=True)
        await datasette.invoke_startup()
        database = datasette.add_memory_database("rides")
        found: list[tuple[str, str]] = []
        for kind in (first, *JOBS):
            with KINDS[kind]():
                try:
                    await database.execute_write_fn(lambda connection, kind=kind: charge(kind))
                    found.append((kind, "done"))
                except UnverifiedMarker:
                    found.append((kind, "refused"))
        return found

    found = asyncio.run(main())
    assert "simulated" not in charged or first != "simulated"
    if first == "simulated":
        assert all(became == "refused" for kind, became in found[1:] if kind != "simulated")
    else:
        assert [kind for kind in charged if kind != "simulated"] == [
            kind for kind in (first, *JOBS) if kind != "simulated"
        ]


# Connections travel in queues, too


@pytest.mark.parametrize("make", [queue.LifoQueue, queue.Queue])
def test_an_undecided_thread_that_takes_a_connection_of_simulated_work_stays_undecided(make: Any) -> None:
    pool: Any = make()
    with simulated(run=RUN):
        pool.put("connection")
    found = []

    def background() -> None:
        pool.get()
        charge("background")
        found.append(current_verdict())

    charged.clear()
    thread = threading.Thread(target=background)
    thread.start()
    thread.join()
    assert (found, charged) == ([None], ["background"])


def test_an_undecided_thread_that_uses_the_pool_of_requests_after_simulated_work_stays_undecided(
    httpbin: str,
) -> None:
    import requests

    charged.clear()
    session = requests.Session()
    with simulated(run=RUN):
        assert session.get(httpbin, timeout=60).ok
    found = []

    def background() -> None:
        assert session.get(httpbin, timeout=60).ok
        charge("background")
        found.append(is_synthetic())

    thread = threading.Thread(target=background)
    thread.start()
    thread.join()
    session.close()
    assert (found, charged) == ([False], ["background"])


@pytest.fixture
def httpbin() -> Iterator[str]:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
