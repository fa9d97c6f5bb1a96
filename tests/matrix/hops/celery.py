"""Celery: what is sent and the header that arrived; a worker, and what its task saw, or that it failed as refused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kombu import Queue

import synthetic
from synthetic_celery import TaskRefused
from tests.contract.messages import eventually, in_a_bare_thread
from tests.matrix.cases import Case, Hop, judged, of_run
from tests.products.celery.app import contrib
from tests.products.celery.workers import Workers, having, send_raw
from tests.products.rabbitmq import url
from tests.support.brokers import valkey
from tests.support.work import new_name

_switched_on: list[str] = []

_OWN = new_name()
"""In the names of queues, for other rows use the same broker."""


def _contrib() -> None:
    contrib()
    _switched_on.append("opentelemetry")


@contextmanager
def _servers(broker: int) -> Iterator[tuple[str, Workers]]:
    with valkey() as store, tempfile.TemporaryDirectory() as folder:
        workers = Workers(f"redis://127.0.0.1:{store}", Path(folder))
        yield f"{url(broker)}/", workers
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
    """Send the task past every wrapper; it leaves these notes, each with its work."""
    synthetic.instrument("celery")
    broker, workers = servers
    settings = having(dict(case.keys), steps=" ".join(["app", "ours", *_switched_on]))
    app = workers.start(broker, f"{pool}-{_OWN}", pool, settings)
    name = new_name()
    header = case.joined()
    in_a_bare_thread(send_raw, app, name, {} if header is None else {"baggage": header}, task)

    def outcome() -> str | None:
        result: Any = app.backend.get_task_meta(name)
        if isinstance(result["result"], TaskRefused):
            return "refused"
        found = [note.split() for note in workers.notes.all(name)]
        if sorted(what for what, _ in found) != notes:
            return None
        (seen,) = {seen for _, seen in found}
        return of_run(None if seen == "real" else seen)

    known: str = eventually(outcome)
    return known


_hop = partial(Hop, product="celery", telemetry={"contrib": _contrib}, servers=_servers, brokers=("rabbitmq",))

HOPS = [
    _hop("Celery, send", pass_on=_out),
    *(
        _hop(f"Celery, {pool}", pass_on=partial(_in, pool, "flaky", ["attempt"]))
        for pool in ("prefork", "threads", "gevent")
    ),
    _hop("Celery, task to task", pass_on=partial(_in, "threads", "parent", ["child", "parent"])),
]
