"""Workers have no verdict of their own, so that each job brings its own."""

from __future__ import annotations

import contextvars
import logging
import logging.handlers
import queue
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import (
    ThreadPoolExecutor,
)
from concurrent.futures import thread as stdlib_thread
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest

import synthetic
from synthetic import real, simulated
from synthetic_concurrency import _threads
from tests.integrations.concurrency.marks import NEEDS_SENTRY
from tests.products.concurrency import RUN, START, Overriding, carried, in_a_thread, inheriting, seen
from tests.support.clients import run_script


@pytest.mark.usefixtures("arrangement")
def test_a_log_listener_started_in_simulated_work_has_no_verdict() -> None:
    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            handled.put(seen())

    handled: queue.SimpleQueue[str] = queue.SimpleQueue()
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, Noting())
    with simulated(run=RUN):
        listener.start()
    try:
        records.put(logging.makeLogRecord({"msg": "hello"}))
        assert handled.get(timeout=60) == "unset"
    finally:
        listener.stop()


SENTRY = """
import queue, synthetic
from sentry_sdk.worker import BackgroundWorker

synthetic.instrument("concurrency")
found = queue.SimpleQueue()
worker = BackgroundWorker()
with synthetic.simulated(run="rush-hour"):
    worker.submit(lambda: found.put(synthetic.is_synthetic()))
worker.submit(lambda: found.put(synthetic.is_synthetic()))
print(found.get(timeout=60), found.get(timeout=60))
worker.kill()
"""


@NEEDS_SENTRY
def test_the_worker_of_sentry_has_no_verdict(keys: dict[str, Any]) -> None:
    """Otherwise it could not reach Sentry: simulated work may not call a host outside."""
    assert run_script(SENTRY, keys=keys) == "False False\n"


CAPTURING = """
import sentry_sdk, synthetic, threading

synthetic.instrument("concurrency")
found = []
sentry_sdk.init("http://key@127.0.0.1:9/1", before_send=lambda event, hint: found.append(synthetic.is_synthetic()))
for kind in (synthetic.simulated(run="rush-hour"), synthetic.real()):
    with kind:
        thread = threading.Thread(target=sentry_sdk.capture_message, args=("late",))
        thread.start()
        thread.join()
print(*found)
"""


@NEEDS_SENTRY
def test_an_event_that_a_thread_of_simulated_work_captures_for_sentry_is_simulated(keys: dict[str, Any]) -> None:
    assert run_script(CAPTURING, keys=keys) == "True False\n"


@pytest.mark.usefixtures("arrangement")
def test_a_thread_started_in_an_empty_context_has_no_verdict() -> None:
    with simulated(run=RUN):
        assert contextvars.Context().run(in_a_thread) == "unset"


@pytest.mark.usefixtures("arrangement")
def test_a_long_lived_thread_runs_each_carried_job_under_its_verdict() -> None:
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    results: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work() -> None:
        while job := jobs.get():
            results.put(job())

    with simulated(run="starter"):
        worker = threading.Thread(target=work)
        contextvars.Context().run(worker.start)
    with simulated(run=RUN):
        jobs.put(synthetic.carry(seen))
    with real():
        jobs.put(synthetic.carry(seen))
    jobs.put(seen)
    jobs.put(None)
    worker.join()
    assert [results.get() for _ in range(3)] == [RUN, "real", "unset"]


@pytest.mark.parametrize("method", ["submit", "map", "apply", "map_async", "imap"])
@pytest.mark.usefixtures("arrangement")
def test_a_thread_that_only_submits_a_job_is_not_taken_for_a_worker(method: str) -> None:
    found: queue.SimpleQueue[str] = queue.SimpleQueue()

    def job(*_: object) -> None:
        found.put(seen())

    def handed_over(pool: Any) -> str:
        arguments = ([1],) if "map" in method else ()
        thread = threading.Thread(target=getattr(pool, method), args=(job, *arguments))
        thread.start()
        thread.join()
        return found.get(timeout=60)

    for kind in (ThreadPoolExecutor, ThreadPool):
        if not hasattr(kind, method):
            continue
        with kind(1) as pool:
            for _ in range(2):
                with simulated(run=RUN):
                    assert handed_over(pool) == RUN
                with real():
                    assert handed_over(pool) == "unset"


@pytest.mark.usefixtures("arrangement")
def test_the_initializer_of_a_worker_runs_under_no_verdict() -> None:
    found: list[str] = []
    with simulated(run=RUN), ThreadPoolExecutor(1, initializer=lambda: found.append(seen())) as pool:
        assert pool.submit(seen).result() == RUN
    assert found == ["unset"]


@pytest.mark.usefixtures("arrangement")
def test_workers_that_an_executor_starts_itself_have_no_verdict() -> None:
    class Daemons(ThreadPoolExecutor):
        """As programs have it that don't want to wait for their workers at exit."""

        def _adjust_thread_count(self) -> None:
            if not self._threads:
                arguments = (weakref.ref(self), self._work_queue, None, ())
                worker = threading.Thread(target=stdlib_thread._worker, args=arguments, daemon=True)
                worker.start()
                self._threads.add(worker)

    if stdlib_thread._worker.__code__.co_argcount != 4:
        pytest.skip("Python 3.14's workers take other arguments")
    with Daemons(1) as pool:
        with simulated(run=RUN):
            assert pool.submit(seen).result() == RUN
        assert pool.submit(seen).result() == "unset"


# Pythons on which a thread inherits the context of its starter


@pytest.fixture
def inherited(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Such a Python, as far as another can be made to be one."""
    monkeypatch.setattr(threading.Thread, "start", inheriting(START))
    monkeypatch.setattr(_threads, "INHERITS", True)
    with carried():
        yield


@pytest.mark.parametrize("make", [threading.Thread, Overriding])
@pytest.mark.usefixtures("inherited")
def test_a_thread_of_real_work_has_no_verdict_where_threads_inherit_contexts(make: Any) -> None:
    with real():
        assert in_a_thread(make=make) == "unset"
    with simulated(run=RUN):
        assert in_a_thread(make=make) == RUN
        with real():
            assert in_a_thread(make=make) == "unset"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="a thread takes a context since Python 3.14")
@pytest.mark.usefixtures("alone")
def test_a_context_given_to_the_thread_takes_precedence() -> None:
    def with_a_context(target: Any) -> threading.Thread:
        return threading.Thread(target=target, context=contextvars.Context())  # type: ignore[call-arg]

    with simulated(run=RUN):
        assert in_a_thread(make=with_a_context) == "unset"


def test_workers_have_no_verdict_where_threads_inherit_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", inheriting(START))
    monkeypatch.setattr(_threads, "INHERITS", True)
    other: contextvars.ContextVar[int] = contextvars.ContextVar("other", default=0)
    with carried(), ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as started_by_real:
        with simulated(run=RUN):
            other.set(1)
            assert pool.submit(seen).result() == RUN
        with real():
            assert started_by_real.submit(seen).result() == "unset"
        assert pool.submit(seen).result() == "unset"
        assert pool.submit(other.get).result() == 0
