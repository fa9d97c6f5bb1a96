"""RQ: what enqueues a job and the header that it has then; a worker and what the job saw, or that it failed."""

from __future__ import annotations

from functools import partial
from typing import Any

from rq.job import Job

import synthetic
from synthetic_rq import SyntheticJob
from tests.matrix.cases import Case, Hop, judged, of_run
from tests.products.rq.jobs import note
from tests.products.rq.workers import ForkingWorker, ThreadWorker, jobs_on, needs, work_off
from tests.support.work import new_name


def _out(case: Case, port: int) -> str:
    synthetic.instrument("rq")
    with jobs_on(port) as jobs:
        try:
            with case.work() as baggage:
                job = jobs.queue.enqueue(note, "ride", meta=None if baggage is None else {"baggage": baggage})
        except synthetic.UnverifiedMarker:
            assert jobs.queue.is_empty()
            return "refused"
        header = jobs.header_of(job)
        return judged([] if header is None else [header])


def _in(worker: type[Any], job_class: type[Job], case: Case, port: int) -> str:
    if job_class is Job:
        synthetic.instrument("rq")
    with jobs_on(port, job_class) as jobs:
        jobs.send_raw(name := new_name(), case.headers())
        work_off(jobs.queue, worker)
        if jobs.has_failed(name):
            assert (jobs.reason(name), jobs.find(name)) == ("bad-signature", None)
            return "refused"
        return of_run(*jobs.runs(name))


_hop = partial(Hop, product="rq", servers=needs)

HOPS: list[Hop] = [
    _hop("RQ, enqueue", pass_on=_out),
    _hop("RQ, worker in one process", pass_on=partial(_in, ThreadWorker, Job)),
    _hop("RQ, worker that forks", pass_on=partial(_in, ForkingWorker, Job)),
    _hop("RQ, worker with SyntheticJob", pass_on=partial(_in, ForkingWorker, SyntheticJob)),
]
