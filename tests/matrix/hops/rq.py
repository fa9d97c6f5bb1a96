"""RQ: a producer and the header of its job; a worker and what the job saw, or its failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from rq import get_current_job

import synthetic
from synthetic_rq import SyntheticJob
from tests.integrations.rq.workers import ForkingWorker, Jobs, ThreadWorker, reason_in, work_off
from tests.matrix.cases import Case, Hop, judged, seen
from tests.support.brokers import valkey

_TOLD = "told"


def tell(_: str) -> None:
    """The job. It stores the verdict that it saw."""
    job: Any = get_current_job()
    job.connection.hset(_TOLD, job.id, seen())


def _out(case: Case, port: int) -> str:
    synthetic.instrument("rq")
    with redis.Redis(port=port) as connection:
        jobs = Jobs(connection)
        try:
            with case.work() as baggage:
                job = jobs.queue.enqueue(tell, "ride", meta=None if baggage is None else {"baggage": baggage})
        except synthetic.UnverifiedMarker:
            assert jobs.queue.is_empty()
            return "refused"
        header: Any = connection.hget(job.key, "baggage")
        return judged([header.decode("latin-1")] if header else [])


def _in(worker: type[Any], job_class: type[Any] | None = None) -> Callable[[Case, int], str]:
    def pass_on(case: Case, port: int) -> str:
        if job_class is None:
            synthetic.instrument("rq")
        with redis.Redis(port=port) as connection:
            jobs = Jobs(connection, **({} if job_class is None else {"job_class": job_class}))
            jobs.send_raw(case.name.replace(" ", "-"), case.headers(), tell)
            (job_id,) = jobs.queue.job_ids
            work_off(jobs.queue, worker)
            told: Any = connection.hget(_TOLD, job_id)
            connection.hdel(_TOLD, job_id)
            if job_id in jobs.queue.failed_job_registry.get_job_ids():
                assert (reason_in(connection, job_id), told) == ("bad-signature", None)
                return "refused"
            return str(told.decode())

    return pass_on


HOPS: list[Hop] = [
    Hop("RQ, enqueue", "rq", _out, servers=valkey),
    Hop("RQ, worker in one process", "rq", _in(ThreadWorker), servers=valkey),
    Hop("RQ, worker that forks", "rq", _in(ForkingWorker), servers=valkey),
    Hop("RQ, worker with SyntheticJob", "rq", _in(ForkingWorker, SyntheticJob), servers=valkey),
]
