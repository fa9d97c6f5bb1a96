"""The application: every task notes in a store what it saw."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import redis
from celery import Celery, Task, signals
from celery.backends.redis import ResultConsumer  # type: ignore[import-untyped]
from celery.worker.request import Request  # type: ignore[import-untyped]
from kombu import Exchange, Queue
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic._model.verdict import REAL
from synthetic._work.state import VERDICT
from tests.contract.messages import Seen
from tests.support.servers import PATIENCE

DEAD = "dead"
"""The queue for rejected messages, where the broker has one."""


def _keep_subscription(consumer: ResultConsumer, task_id: str) -> None:
    """Do nothing about a result that nobody holds any more.

    Celery ends its subscription then. The garbage collector may find such a result while another subscription begins,
    and the end waits for ever for the lock that the beginning holds (celery/celery issue 10477).
    """


ResultConsumer.cancel_for = _keep_subscription


def make_app(broker: str, store: str, queue: str, **options: Any) -> Celery:
    """An application that sends to ``queue``, and whose workers take from it."""
    app = Celery("tests", broker=broker, backend=f"{store}/1", set_as_current=False, **options)
    dead_letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD}
    app.conf.update(
        task_default_queue=queue,
        task_queues=[Queue(queue, Exchange(""), routing_key=queue, queue_arguments=dead_letters)],
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=60,
    )
    notes = Notes(f"{store}/2")
    add_reports(app, notes)
    add_canvas(app, notes)
    add_failures(app, notes)
    return app


class Notes:
    """What the tasks saw, by name."""

    def __init__(self, url: str) -> None:
        self._store = redis.Redis.from_url(url)

    def add(self, name: str, note: Any) -> None:
        self._store.rpush(name, json.dumps(note))

    def next(self, name: str, *, seconds: float = PATIENCE) -> Any:
        """Wait for a note by this name, and take it away."""
        found: Any = self._store.blpop([name], timeout=seconds)
        if found is None:
            raise TimeoutError(f"{name}: not within {seconds} seconds")
        return json.loads(found[1])

    def take(self, name: str) -> Any:
        """Take away a note by this name, if there is one."""
        found: Any = self._store.lpop(name)
        return None if found is None else json.loads(found)

    def all(self, name: str) -> list[Any]:
        found: Any = self._store.lrange(name, 0, -1)
        return [json.loads(note) for note in found]

    def count(self, name: str, by: int = 1) -> int:
        counted: Any = self._store.incrby(name, by)
        return int(counted)

    def close(self) -> None:
        self._store.close()


def seen() -> str:
    """What work this is: a run, ``"real"``, or ``"undecided"`` without a verdict."""
    marker = synthetic.current()
    if marker is not None:
        return marker.run
    return "real" if VERDICT.get() is REAL else "undecided"


def instrumentor() -> Any:
    """OpenTelemetry's instrumentation."""
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    return CeleryInstrumentor()


def contrib() -> None:
    instrumentor().instrument(tracer_provider=NoOpTracerProvider())


def add_reports(app: Celery, notes: Notes) -> None:
    """The task of the contract."""

    @app.task(shared=False, name="report", bind=True)
    def report(self: Task, name: str) -> None:
        notes.add(name, asdict(Seen.now(name, self.request.get("baggage"))))


class Handled(Task):
    """A task whose handlers note what they see."""

    notes: Notes

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        self.notes.add(task_id, f"before_start {seen()}")

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        self.notes.add(task_id, f"on_success {seen()}")

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self.notes.add(task_id, f"on_retry {seen()}")

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self.notes.add(task_id, f"on_failure {seen()}")

    def after_return(self, status: Any, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self.notes.add(task_id, f"after_return {seen()}")


class Reporting(Request):  # type: ignore[misc]
    """A class of requests that does something around ``super()``, in the main process of a worker."""

    notes: Notes

    def _note(self, what: str) -> None:
        self.notes.add(f"{self.id} request", f"{what} {seen()}")

    def on_accepted(self, *args: Any, **options: Any) -> Any:
        super().on_accepted(*args, **options)
        self._note("accepted")

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        self._note("timeout")
        super().on_timeout(soft, timeout)
        self._note("timed out")

    def on_failure(self, *args: Any, **options: Any) -> Any:
        super().on_failure(*args, **options)
        self._note("failed")

    def on_retry(self, *args: Any, **options: Any) -> Any:
        super().on_retry(*args, **options)
        self._note("retried")

    def on_success(self, *args: Any, **options: Any) -> Any:
        super().on_success(*args, **options)
        self._note("succeeded")


def add_canvas(app: Celery, notes: Notes) -> None:
    """Parts of workflows. Each leaves its note under ``name``: what it is, and its work."""

    @app.task(shared=False, name="note")
    def note(*previous: Any, name: str, what: str = "note") -> str:
        notes.add(name, f"{what} {seen()}")
        return name

    @app.task(shared=False, name="parent", bind=True)
    def parent(self: Task, name: str, *, headers: bool = False) -> None:
        notes.add(name, f"parent {seen()}")
        note.apply_async(kwargs={"name": name, "what": "child"}, headers=self.request.headers if headers else None)

    @app.task(shared=False, name="flaky", bind=True, max_retries=10)
    def flaky(self: Task, name: str, times: int) -> str:
        notes.add(name, f"attempt {seen()}")
        if self.request.retries < times:
            raise self.retry(countdown=0)
        return name

    @app.task(
        shared=False,
        name="impatient",
        autoretry_for=(KeyError,),
        retry_backoff=False,
        default_retry_delay=0,
        max_retries=2,
    )
    def impatient(name: str) -> None:
        notes.add(name, f"attempt {seen()}")
        raise KeyError(name)

    @app.task(shared=False, name="replaced", bind=True)
    def replaced(self: Task, name: str) -> None:
        notes.add(name, f"replaced {seen()}")
        raise self.replace(note.si(name=name, what="replacement"))

    @app.task(shared=False, name="waits", bind=True, acks_late=True)
    def waits(self: Task, name: str) -> None:
        notes.add(name, f"{'again' if self.request.delivery_info['redelivered'] else 'first'} {seen()}")
        if not self.request.delivery_info["redelivered"]:
            notes.next(f"go {name}", seconds=60)


def add_failures(app: Celery, notes: Notes) -> None:
    """Tasks that fail, and what Celery calls then."""
    Handled.notes = notes

    @app.task(shared=False, name="handled", base=Handled, bind=True)
    def handled(self: Task, *, fails: bool = False, retries: int = 0) -> None:
        notes.add(self.request.id, f"body {seen()}")
        if self.request.retries < retries:
            raise self.retry(countdown=0)
        if fails:
            raise ValueError(fails)

    @app.task(shared=False, name="late", base=Handled, bind=True, acks_late=True)
    def late(self: Task) -> None:
        notes.add(self.request.id, f"body {seen()}")

    @app.task(shared=False, name="fails")
    def fails(*previous: Any) -> None:
        raise ValueError("on purpose")

    @app.task(shared=False, name="dies", bind=True)
    def dies(self: Task) -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    @app.task(shared=False, name="dies once", bind=True, acks_late=True, reject_on_worker_lost=True)
    def dies_once(self: Task, name: str) -> None:
        notes.add(name, f"attempt {seen()}")
        if notes.count(f"deaths of {name}") == 1:
            dies()

    @app.task(shared=False, name="takes too long", time_limit=0.3)
    def takes_too_long(name: str) -> None:
        notes.next(f"never {name}", seconds=60)

    Reporting.notes = notes

    @app.task(shared=False, name="reports too long", time_limit=0.3, Request=Reporting)
    def reports_too_long(name: str) -> None:
        notes.next(f"never {name}", seconds=60)

    @app.task(shared=False, name="reports", bind=True, Request=Reporting)
    def reports(self: Task, *, retries: int = 0) -> None:
        if self.request.retries < retries:
            raise self.retry(countdown=0)

    @app.task(shared=False, name="of id")
    def of_id(task_id: str) -> None:
        """An error callback of one argument: a message of its own."""
        notes.add(f"{task_id} errback", seen())

    @app.task(shared=False, name="of request")
    def of_request(request: Any, error: Any, trace: Any) -> None:
        """An error callback of three: it is called where the task has failed."""
        notes.add(f"{request.id} errback", seen())


def note_signals(notes: Notes) -> None:
    """Note what handlers of signals see in this worker, by the id of the task."""

    def connect(name: str) -> None:
        def handler(sender: Any = None, task_id: str | None = None, request: Any = None, **others: Any) -> None:
            found = task_id or getattr(request, "id", None) or sender.request.id
            notes.add(f"{found} signals", f"{name} {seen()}")

        getattr(signals, name).connect(handler, weak=False)

    for name in ("task_prerun", "task_postrun", "task_success", "task_failure", "task_retry", "task_revoked"):
        connect(name)
