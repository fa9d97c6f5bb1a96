"""RQ jobs that fail, are refused or whose process is killed, and what is called then."""

from __future__ import annotations

from typing import Any

import pytest
from rq import Retry
from rq.job import Job

import synthetic
from synthetic import ledger
from tests.integrations.rq import jobs as rq_jobs
from tests.integrations.rq.workers import Jobs, ThreadWorker, a_name, reason_in, runs, seen_by, work, work_off
from tests.support.keys import entry, mint, shared_key

Keys = dict[str, Any]


pytestmark = pytest.mark.usefixtures("on")


def test_a_retry_stays_simulated_whatever_the_job_did_to_its_meta(jobs: Jobs) -> None:
    ride = a_name()
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue(rq_jobs.fail_once, ride, retry=Retry(max=1), meta={"baggage": "vendor=1"})
    work(jobs.queue)
    assert runs(jobs, f"{ride}:1", f"{ride}:2") == ["peak", "peak"]
    assert str(seen_by(jobs, f"{ride}:2").baggage).endswith(",vendor=1")


def test_callbacks_and_exception_handlers_are_part_of_the_job(jobs: Jobs) -> None:
    callbacks = {"on_success": _callback(rq_jobs.on_success), "on_failure": _callback(rq_jobs.on_failure)}
    with synthetic.simulated(run="peak"):
        good = jobs.queue.enqueue(rq_jobs.say, "hello", **callbacks)
        bad = jobs.queue.enqueue(rq_jobs.fail, a_name(), **callbacks)
    real = jobs.queue.enqueue(rq_jobs.fail, a_name(), **callbacks)
    work(jobs.queue, exception_handlers=[rq_jobs.on_exception])
    told = (f"{good.id}:success", f"{bad.id}:failure", f"{bad.id}:exception")
    assert runs(jobs, *told) == ["peak"] * 3
    assert runs(jobs, f"{real.id}:failure", f"{real.id}:exception") == [None, None]


def _callback(function: Any) -> Any:
    try:
        from rq import Callback
    except ImportError:  # before RQ 2
        from rq.job import Callback  # type: ignore[no-redef,attr-defined]
    return Callback(function)


def test_of_a_job_that_is_refused_nothing_is_called_but_exception_handlers(jobs: Jobs, keys: Keys) -> None:
    errors: list[Any] = []

    def handler(job: Any, kind: Any, error: Any, trace: Any) -> bool:
        errors.append(error.reason.value)
        return True

    job = jobs.queue.create_job(rq_jobs.note, (ride := a_name(),), on_failure=_callback(rq_jobs.on_failure))
    save_with(jobs, job, entry(mint(shared_key())))
    work(jobs.queue, exception_handlers=[handler])
    assert errors == [reason_in(jobs.connection, job.id)] == ["bad-signature"]
    assert [rq_jobs.seen_in(jobs.connection, told) for told in (ride, f"{job.id}:failure")] == [None, None]


def save_with(jobs: Jobs, job: Any, header: str) -> None:
    """Put a job into the queue as a stranger does."""
    saved = job.to_dict()
    jobs.connection.hset(job.key, mapping={**saved, "baggage": header})
    jobs.queue.push_job_id(job.id)


def test_the_retries_of_a_job_see_that_it_is_refused(jobs: Jobs, keys: Keys) -> None:
    synthetic.configure(keys=keys, halt=["peak"])
    with synthetic.simulated(run="peak"):
        job = jobs.queue.enqueue(rq_jobs.note, ride := a_name(), retry=Retry(max=2))
    with ledger.recorded() as outcomes:
        work(jobs.queue)
    assert len(outcomes) == 3
    assert reason_in(jobs.connection, job.id) == "halted"
    assert Job.fetch(job.id, connection=jobs.connection).retries_left == 0
    assert rq_jobs.seen_in(jobs.connection, ride) is None


def test_a_job_that_can_not_be_taken_now_is_tried_again_and_that_does_not_count(jobs: Jobs, keys: Keys) -> None:
    answers = iter([False, False, True])
    synthetic.configure(keys=keys, ready=lambda: next(answers, True))
    with synthetic.simulated(run="peak"):
        without = jobs.queue.enqueue(rq_jobs.note, ride := a_name())
    work(jobs.queue)
    assert runs(jobs, ride) == ["peak"]
    assert not Job.fetch(without.id, connection=jobs.connection).retries_left


# Processes


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_job_whose_process_was_killed_is_still_simulated_when_it_is_tried_again(jobs: Jobs) -> None:
    simulated, real = a_name(), a_name()
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue(rq_jobs.die, simulated, retry=Retry(max=1))
    jobs.queue.enqueue(rq_jobs.die, real, retry=Retry(max=1))
    work_off(jobs.queue)
    assert runs(jobs, f"{simulated}:1", f"{simulated}:2") == ["peak", "peak"]
    assert runs(jobs, f"{real}:1", f"{real}:2") == [None, None]


def test_a_callback_in_another_process_than_the_job_is_part_of_it_even_when_its_run_is_halted(
    jobs: Jobs, keys: Keys
) -> None:
    with synthetic.simulated(run="peak"):
        made = jobs.queue.enqueue(rq_jobs.note, a_name(), on_stopped=_callback(rq_jobs.on_stopped))
    synthetic.configure(keys=keys, halt=["peak"])
    job = Job.fetch(made.id, connection=jobs.connection)
    assert job.stopped_callback is not None
    job.stopped_callback(job, jobs.connection)
    assert runs(jobs, f"{job.id}:stopped") == ["peak"]


def test_a_worker_that_was_started_in_simulated_work_takes_real_jobs_as_real(jobs: Jobs) -> None:
    ride = a_name()
    jobs.send(ride)
    worker = ThreadWorker([jobs.queue], connection=jobs.connection)
    with synthetic.simulated(run="peak"):
        worker.work(burst=True, logging_level="CRITICAL")
    assert runs(jobs, ride) == [None]
