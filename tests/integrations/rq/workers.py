"""RQ queues in the tests, and workers on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any
from uuid import uuid4

from redis import Redis
from rq import Queue, SimpleWorker, Worker
from rq.job import Job
from rq.timeouts import TimerDeathPenalty

from tests.contract.messages import Seen, eventually
from tests.integrations.rq import jobs as rq_jobs


class _Deaf:
    """Without the channel for commands: leaving that takes up to a second."""

    pubsub_thread = None

    def subscribe(self) -> None:
        pass

    def unsubscribe(self) -> None:
        pass


class ThreadWorker(_Deaf, SimpleWorker):
    """A worker that may run in any thread."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        pass


class ForkingWorker(_Deaf, Worker):
    """A worker whose jobs have a process of their own."""


@contextmanager
def connected(port: int) -> Iterator[Any]:
    with Redis(port=port) as connection:
        yield connection


@contextmanager
def working(queue: Queue, **options: Any) -> Iterator[ThreadWorker]:
    """A worker on this queue, in a thread of its own, until the block ends."""
    worker = ThreadWorker([queue], connection=queue.connection, job_class=queue.job_class, **options)
    thread = threading.Thread(target=Context().run, args=(lambda: worker.work(logging_level="CRITICAL"),))
    thread.start()
    try:
        yield worker
    finally:
        worker._stop_requested = True
        queue.enqueue(rq_jobs.say, "bye")  # it waits for a job
        thread.join(30)
        assert not thread.is_alive()


def work_off(queue: Queue, worker_class: type[Any] = ForkingWorker, **options: Any) -> None:
    """Have a worker do what is in the queue, from this thread; a job may have a process of its own."""
    worker = worker_class([queue], connection=queue.connection, job_class=queue.job_class, **options)
    Context().run(lambda: worker.work(burst=True, logging_level="CRITICAL"))


class Jobs:
    """A queue, and what has become of the jobs in it. Knows nothing of the library."""

    def __init__(self, connection: Any, job_class: type[Job] = Job) -> None:
        self.connection = connection
        self.queue = Queue(f"rides-{uuid4().hex}", connection=connection, job_class=job_class)

    def send(self, name: str, baggage: str | None = None) -> None:
        meta = None if baggage is None else {"baggage": baggage, "kept": True}
        self.queue.enqueue(rq_jobs.note, name, job_id=name, meta=meta)
        assert meta is None or meta == {"baggage": baggage, "kept": True}

    def send_raw(self, name: str, baggage: list[str], function: Any = rq_jobs.note) -> None:
        fields = Job.create(function, (name,), id=name, connection=self.connection, origin=self.queue.name)
        saved = {**fields.to_dict(), "baggage": ",".join(baggage).encode("latin-1")}
        self.connection.hset(fields.key, mapping={key: value for key, value in saved.items() if value})
        self.queue.push_job_id(name)

    def handled(self, name: str) -> Seen:
        seen: Seen = eventually(lambda: rq_jobs.seen_in(self.connection, name))
        return seen

    def refused(self, name: str) -> str:
        registry = self.queue.failed_job_registry
        eventually(lambda: name in registry.get_job_ids() or None)
        assert rq_jobs.seen_in(self.connection, name) is None
        return reason_in(self.connection, name)


def reason_in(connection: Any, job_id: str) -> str:
    """What RQ keeps of the exception that a job failed with."""
    result: Any = Job.fetch(job_id, connection=connection).latest_result()
    text: str = result.exc_string
    last = text.strip().splitlines()[-1]
    assert last.startswith("synthetic.errors.MessageRefused: this message was not admitted ("), text
    return last.partition("(")[2].partition(")")[0]


def work(queue: Queue, **options: Any) -> None:
    """Do what is in the queue, in this process."""
    work_off(queue, ThreadWorker, **options)


def runs(jobs: Jobs, *names: str) -> list[str | None]:
    """The runs that jobs have seen, None for real ones."""
    return [seen_by(jobs, name).run for name in names]


def seen_by(jobs: Jobs, name: str) -> Seen:
    seen = rq_jobs.seen_in(jobs.connection, name)
    assert seen is not None, name
    assert seen.explicit
    return seen


def a_name() -> str:
    return uuid4().hex
