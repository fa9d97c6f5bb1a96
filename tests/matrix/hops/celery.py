"""Celery: a producer and the header that arrived; a worker and what its task saw, or its refusal."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from kombu import Queue
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_celery import TaskRefused
from tests.contract.messages import eventually, in_a_bare_thread
from tests.integrations.celery.workers import Workers, having, send_as_a_stranger
from tests.matrix.cases import RUN, Case, Hop, judged
from tests.support.brokers import valkey

_switched_on: list[str] = []

_OWN = uuid4().hex
"""Makes the names of queues unique, because other rows use the same broker."""


def _opentelemetry() -> None:
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    CeleryInstrumentor().instrument(tracer_provider=NoOpTracerProvider())
    _switched_on.append("opentelemetry")


@contextmanager
def _servers(broker: int) -> Iterator[tuple[str, Workers]]:
    with valkey() as store, tempfile.TemporaryDirectory() as folder:
        workers = Workers(f"redis://127.0.0.1:{store}", Path(folder))
        yield f"amqp://guest:guest@127.0.0.1:{broker}//", workers
        workers.close()


def _out(case: Case, servers: tuple[str, Workers]) -> str:
    synthetic.instrument("celery")
    broker, workers = servers
    name = f"out-{_OWN}"
    app = workers.app(broker, name)
    with app.pool.acquire(block=True) as connection:
        queue = Queue(name, queue_arguments=app.amqp.queues[name].queue_arguments)(connection.default_channel)
        queue.declare()
        try:
            with case.work() as baggage:
                app.tasks["report"].apply_async(("name",), headers=baggage and {"baggage": baggage})
        except synthetic.UnverifiedMarker:
            assert queue.get(no_ack=True) is None
            return "refused"
        message = eventually(partial(queue.get, no_ack=True))
    return judged([message.headers["baggage"]] if "baggage" in message.headers else [])


def _in(pool: str, task: str, notes: list[str], case: Case, servers: tuple[str, Workers]) -> str:
    """Send the task without instrumentation. It leaves these notes with its verdict."""
    synthetic.instrument("celery")
    broker, workers = servers
    settings = having(dict(case.keys), steps=" ".join(["app", "ours", *_switched_on]))
    app = workers.start(broker, f"{pool}-{_OWN}", pool, settings)
    name = uuid4().hex
    header = case.joined()
    in_a_bare_thread(send_as_a_stranger, app, name, {} if header is None else {"baggage": header}, task)

    def outcome() -> str | None:
        result: Any = app.backend.get_task_meta(name)
        if isinstance(result["result"], TaskRefused):
            return "refused"
        found = [note.split() for note in workers.notes.all(name)]
        if sorted(what for what, _ in found) != notes:
            return None
        (seen,) = {seen for _, seen in found}
        return {"real": "real", RUN: "simulated"}[seen]

    known: str = eventually(outcome)
    return known


_hop = partial(Hop, product="celery", telemetry={"contrib": _opentelemetry}, servers=_servers, brokers=("rabbitmq",))

HOPS = [
    _hop("Celery, send", pass_on=_out),
    *(
        _hop(f"Celery, {pool}", pass_on=partial(_in, pool, "flaky", ["attempt"]))
        for pool in ("prefork", "threads", "gevent")
    ),
    _hop("Celery, task to task", pass_on=partial(_in, "threads", "parent", ["child", "parent"])),
]
