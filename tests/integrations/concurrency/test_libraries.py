"""Libraries that keep workers, unmodified: a job is handled as its submitter would, whoever has started the workers.

Jobs of simulated work, of real work and of nobody are interleaved.
"""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
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
