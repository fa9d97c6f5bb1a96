"""Queues, and workers on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from redis import Redis
from rq import Queue, SimpleWorker, Worker
from rq.job import Job
from rq.timeouts import TimerDeathPenalty

from tests.contract.messages import Handled, Seen, eventually
from tests.products.rq.jobs import note, say, seen_in
from tests.support import brokers
from tests.support.work import new_name

needs = brokers.valkey


class _WithoutCommands:
    """Without the channel for commands: it takes up to a second to leave."""

    pubsub_thread = None

    def subscribe(self) -> None:
        pass

    def unsubscribe(self) -> None:
        pass


class ThreadWorker(_WithoutCommands, SimpleWorker):
    """A worker that may run in any thread."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        pass


class ForkingWorker(_WithoutCommands, Worker):
    """A worker whose jobs have a process of their own."""


@contextmanager
def jobs_on(port: int, job_class: type[Job] = Job) -> Iterator[Jobs]:
    with Redis(port=port) as connection:
        yield Jobs(connection, job_class)


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
        queue.enqueue(say, "bye")  # it waits for a job
        thread.join(30)
        assert not thread.is_alive()


def work_off(queue: Queue, worker_class: type[Any] = ForkingWorker, **options: Any) -> None:
    """Have a worker do what is in the queue, from this thread; a job may have a process of its own."""
    worker = worker_class([queue], connection=queue.connection, job_class=queue.job_class, **options)
    Context().run(lambda: worker.work(burst=True, logging_level="CRITICAL"))


class Jobs(Handled):
    """A queue, and what has become of the jobs in it. Knows nothing of the library."""

    def __init__(self, connection: Any, job_class: type[Job] = Job) -> None:
        super().__init__()
        self.connection = connection
        self.queue = Queue(f"rides-{new_name()}", connection=connection, job_class=job_class)

    def find(self, name: str) -> Seen | None:
        return seen_in(self.connection, name)

    def send(self, name: str, baggage: str | None = None) -> None:
        meta = None if baggage is None else {"baggage": baggage, "kept": True}
        self.queue.enqueue(note, name, job_id=name, meta=meta)
        assert meta is None or meta == {"baggage": baggage, "kept": True}

    def send_raw(self, name: str, baggage: list[str]) -> None:
        self.save_raw(Job.create(note, (name,), id=name, connection=self.connection, origin=self.queue.name), baggage)

    def save_raw(self, job: Job, baggage: list[str]) -> None:
        """Put a job into the queue past every wrapper."""
        saved = {**job.to_dict(), "baggage": ",".join(baggage).encode("latin-1")}
        self.connection.hset(job.key, mapping={key: value for key, value in saved.items() if value})
        self.queue.push_job_id(job.id)

    def header_of(self, job: Job) -> str | None:
        """The ``baggage`` header that a job was saved with."""
        header = self.connection.hget(job.key, "baggage")
        return header.decode("latin-1") if header else None

    def refused(self, name: str) -> str:
        eventually(lambda: self.has_failed(name) or None)
        assert self.find(name) is None
        return self.reason(name)

    def has_failed(self, job_id: str) -> bool:
        return job_id in self.queue.failed_job_registry.get_job_ids()

    def reason(self, job_id: str) -> str:
        """What RQ keeps of the exception that a job failed with."""
        result: Any = Job.fetch(job_id, connection=self.connection).latest_result()
        text: str = result.exc_string
        last = text.strip().splitlines()[-1]
        assert last.startswith("synthetic.errors.MessageRefused: this message was not admitted ("), text
        return last.partition("(")[2].partition(")")[0]


def work(queue: Queue, **options: Any) -> None:
    """Do what is in the queue, in this process."""
    work_off(queue, ThreadWorker, **options)
