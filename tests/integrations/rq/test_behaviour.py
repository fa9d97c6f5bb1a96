"""RQ's own behaviour with the marker: jobs that are made, scheduled, repeated and enqueued by other work."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from rq import Queue, Retry
from rq.job import Job
from rq.scheduler import RQScheduler

import synthetic
from synthetic_rq import SyntheticJob
from tests.products.rq import jobs as rq_jobs
from tests.products.rq.workers import Jobs, work
from tests.support.work import new_name

Keys = dict[str, Any]


pytestmark = pytest.mark.usefixtures("on")


# How jobs come to be


def test_enqueue_many_gives_each_job_the_verdict_of_the_work(jobs: Jobs) -> None:
    names = [new_name() for _ in range(4)]
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue_many([Queue.prepare_data(rq_jobs.note, (name,)) for name in names[:2]])
    jobs.queue.enqueue_many([Queue.prepare_data(rq_jobs.note, (name,)) for name in names[2:]])
    work(jobs.queue)
    assert jobs.runs(*names) == ["peak", "peak", None, None]


def test_a_scheduled_job_keeps_its_verdict_when_the_scheduler_enqueues_it(jobs: Jobs) -> None:
    at, after, real = new_name(), new_name(), new_name()
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue_at(datetime.now(timezone.utc), rq_jobs.note, at)
        jobs.queue.enqueue_in(timedelta(0), rq_jobs.note, after)
    jobs.queue.enqueue_in(timedelta(0), rq_jobs.note, real)
    scheduler = RQScheduler([jobs.queue], connection=jobs.connection, logging_level=logging.CRITICAL)
    with synthetic.simulated(run="another"):
        scheduler.acquire_locks()
        scheduler.enqueue_scheduled_jobs()
        scheduler.release_locks()
    work(jobs.queue)
    assert jobs.runs(at, after, real) == ["peak", "peak", None]


def test_a_dependent_job_has_the_verdict_of_the_work_that_made_it_not_of_its_dependency(jobs: Jobs) -> None:
    simulated, real = new_name(), new_name()
    with synthetic.simulated(run="peak"):
        first = jobs.queue.enqueue(rq_jobs.say, "first")
    second = jobs.queue.enqueue(rq_jobs.say, "second")
    jobs.queue.enqueue(rq_jobs.note, real, depends_on=first)
    with synthetic.simulated(run="other"):
        jobs.queue.enqueue(rq_jobs.note, simulated, depends_on=second)
    work(jobs.queue)
    assert jobs.runs(real, simulated) == [None, "other"]


def test_a_repeated_job_stays_simulated(jobs: Jobs) -> None:
    rq = pytest.importorskip("rq", minversion="2.2")  # the first with repetitions
    ride = new_name()
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue(rq_jobs.fail_once, ride, repeat=rq.Repeat(times=1), retry=Retry(max=1))
    work(jobs.queue)
    assert jobs.runs(f"{ride}:2", f"{ride}:3") == ["peak", "peak"]


def test_a_job_that_a_simulated_job_enqueues_is_simulated(jobs: Jobs) -> None:
    simulated, real = new_name(), new_name()
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue(rq_jobs.enqueue_another, simulated)
    jobs.queue.enqueue(rq_jobs.enqueue_another, real)
    work(jobs.queue)
    assert jobs.runs(simulated, real) == ["peak", None]


def test_a_job_keeps_the_verdict_of_the_work_that_made_it_when_other_work_enqueues_it(jobs: Jobs) -> None:
    simulated, real = new_name(), new_name()
    with synthetic.simulated(run="peak"):
        first = jobs.queue.create_job(rq_jobs.note, (simulated,))
    with synthetic.real():
        second = jobs.queue.create_job(rq_jobs.note, (real,))
        jobs.queue.enqueue_job(first)
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue_job(second)
    work(jobs.queue)
    assert jobs.runs(simulated, real) == ["peak", None]


def test_a_job_made_without_a_verdict_gets_that_of_the_work_that_enqueues_it(jobs: Jobs) -> None:
    ride = new_name()
    job = jobs.queue.create_job(rq_jobs.note, (ride,))
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue_job(job)
    work(jobs.queue)
    assert jobs.runs(ride) == ["peak"]


def test_a_failed_job_that_real_work_requeues_stays_simulated(jobs: Jobs) -> None:
    ride = new_name()
    with synthetic.simulated(run="peak"):
        job = jobs.queue.enqueue(rq_jobs.fail_once, ride)
    work(jobs.queue)
    with synthetic.real():
        job.requeue()
    work(jobs.queue)
    assert jobs.runs(f"{ride}:1", f"{ride}:2") == ["peak", "peak"]


def test_a_real_job_with_the_id_of_an_earlier_simulated_one_is_real(jobs: Jobs) -> None:
    ride = new_name()
    with synthetic.simulated(run="peak"):
        jobs.send(ride)
    work(jobs.queue)
    assert jobs.runs(ride) == ["peak"]
    jobs.send(ride)
    work(jobs.queue)
    assert jobs.runs(ride) == [None]


def test_a_synchronous_queue_performs_each_job_under_its_own_verdict(jobs: Jobs) -> None:
    queue = Queue(jobs.queue.name, connection=jobs.connection, is_async=False)
    with synthetic.simulated(run="peak"):
        simulated = queue.enqueue(rq_jobs.say, "hello")
        assert synthetic.is_synthetic()
    real = queue.enqueue(rq_jobs.say, "hello")
    assert [job.return_value() for job in (simulated, real)] == ["hello, simulated", "hello, real"]


# What a job looks like


def test_the_marker_is_not_visible_in_a_job(jobs: Jobs) -> None:
    with synthetic.simulated(run="peak"):
        made = jobs.queue.enqueue(rq_jobs.say, "hello", meta={"progress": 0})
        token = synthetic.headers()["baggage"]
    work(jobs.queue)
    job = Job.fetch(made.id, connection=jobs.connection)
    assert (job.meta, job.args, job.kwargs) == ({"progress": 0}, ("hello",), {})
    assert job.return_value() == "hello, simulated"
    assert job.description == "tests.products.rq.jobs.say('hello')"
    assert token not in repr(job)


# Switching on and off


def test_uninstrument_restores_the_originals(keys: Keys) -> None:
    synthetic.uninstrument("rq")
    before = dict(vars(Job))
    synthetic.instrument("rq")
    synthetic.instrument("rq")
    assert dict(vars(Job)) != before
    synthetic.uninstrument("rq")
    assert dict(vars(Job)) == before


def test_instrument_inside_of_a_job_is_an_error(jobs: Jobs) -> None:
    synthetic.uninstrument("rq")
    queue = Queue(jobs.queue.name, connection=jobs.connection, is_async=False)
    job = queue.enqueue(synthetic.instrument, "rq")
    assert job.is_failed
    result: Any = job.latest_result()
    assert "comes too late inside of a job" in result.exc_string


def test_a_second_instrument_inside_of_a_job_does_nothing(jobs: Jobs) -> None:
    queue = Queue(jobs.queue.name, connection=jobs.connection, is_async=False)
    assert queue.enqueue(synthetic.instrument, "rq").is_finished
    explicit = Queue(jobs.queue.name, connection=jobs.connection, is_async=False, job_class=SyntheticJob)
    synthetic.uninstrument("rq")
    assert explicit.enqueue(synthetic.instrument, "rq").is_finished
