"""RQ jobs that fail, are refused or whose process is killed, and what is called then."""

from __future__ import annotations

from typing import Any

import pytest
from rq import Retry
from rq.job import Job

import synthetic
from synthetic import ledger
from tests.products.rq import jobs as rq_jobs
from tests.products.rq.workers import Jobs, ThreadWorker, work, work_off
from tests.support.keys import entry, mint, shared_key
from tests.support.work import new_name

Keys = dict[str, Any]


pytestmark = pytest.mark.usefixtures("on")


def test_a_retry_stays_simulated_after_the_job_has_replaced_its_meta(jobs: Jobs) -> None:
    ride = new_name()
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue(rq_jobs.fail_once, ride, retry=Retry(max=1), meta={"baggage": "vendor=1"})
    work(jobs.queue)
    assert jobs.runs(f"{ride}:1", f"{ride}:2") == ["peak", "peak"]
    assert str(jobs.handled(f"{ride}:2").baggage).endswith(",vendor=1")


def test_callbacks_and_exception_handlers_run_under_the_verdict_of_their_job(jobs: Jobs) -> None:
    callbacks = {"on_success": _callback(rq_jobs.on_success), "on_failure": _callback(rq_jobs.on_failure)}
    with synthetic.simulated(run="peak"):
        good = jobs.queue.enqueue(rq_jobs.say, "hello", **callbacks)
        bad = jobs.queue.enqueue(rq_jobs.fail, new_name(), **callbacks)
    real = jobs.queue.enqueue(rq_jobs.fail, new_name(), **callbacks)
    work(jobs.queue, exception_handlers=[rq_jobs.on_exception])
    told = (f"{good.id}:success", f"{bad.id}:failure", f"{bad.id}:exception")
    assert jobs.runs(*told) == ["peak"] * 3
    assert jobs.runs(f"{real.id}:failure", f"{real.id}:exception") == [None, None]


def _callback(function: Any) -> Any:
    try:
        from rq import Callback
    except ImportError:  # before RQ 2
        from rq.job import Callback  # type: ignore[no-redef,attr-defined]
    return Callback(function)


def test_a_refused_job_calls_nothing_but_exception_handlers(jobs: Jobs, keys: Keys) -> None:
    errors: list[Any] = []

    def handler(job: Any, kind: Any, error: Any, trace: Any) -> bool:
        errors.append(error.reason.value)
        return True

    job = jobs.queue.create_job(rq_jobs.note, (ride := new_name(),), on_failure=_callback(rq_jobs.on_failure))
    jobs.save_raw(job, [entry(mint(shared_key()))])
    work(jobs.queue, exception_handlers=[handler])
    assert errors == [jobs.reason(job.id)] == ["bad-signature"]
    assert [jobs.find(told) for told in (ride, f"{job.id}:failure")] == [None, None]


def test_each_retry_of_a_job_whose_run_is_halted_is_refused(jobs: Jobs, keys: Keys) -> None:
    synthetic.configure(keys=keys, halt=["peak"])
    with synthetic.simulated(run="peak"):
        job = jobs.queue.enqueue(rq_jobs.note, ride := new_name(), retry=Retry(max=2))
    with ledger.recorded() as outcomes:
        work(jobs.queue)
    assert len(outcomes) == 3
    assert jobs.reason(job.id) == "halted"
    assert Job.fetch(job.id, connection=jobs.connection).retries_left == 0
    assert jobs.find(ride) is None


def test_a_job_that_the_worker_is_not_ready_for_is_tried_again_and_uses_up_no_retry(jobs: Jobs, keys: Keys) -> None:
    answers = iter([False, False, True])
    synthetic.configure(keys=keys, ready=lambda: next(answers, True))
    with synthetic.simulated(run="peak"):
        without = jobs.queue.enqueue(rq_jobs.note, ride := new_name())
    work(jobs.queue)
    assert jobs.runs(ride) == ["peak"]
    assert not Job.fetch(without.id, connection=jobs.connection).retries_left


# Processes


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_job_whose_process_was_killed_is_still_simulated_when_it_is_tried_again(jobs: Jobs) -> None:
    simulated, real = new_name(), new_name()
    with synthetic.simulated(run="peak"):
        jobs.queue.enqueue(rq_jobs.die, simulated, retry=Retry(max=1))
    jobs.queue.enqueue(rq_jobs.die, real, retry=Retry(max=1))
    work_off(jobs.queue)
    assert jobs.runs(f"{simulated}:1", f"{simulated}:2") == ["peak", "peak"]
    assert jobs.runs(f"{real}:1", f"{real}:2") == [None, None]


def test_a_callback_in_another_process_has_the_verdict_of_its_job_even_when_the_run_is_halted(
    jobs: Jobs, keys: Keys
) -> None:
    with synthetic.simulated(run="peak"):
        made = jobs.queue.enqueue(rq_jobs.note, new_name(), on_stopped=_callback(rq_jobs.on_stopped))
    synthetic.configure(keys=keys, halt=["peak"])
    job = Job.fetch(made.id, connection=jobs.connection)
    assert job.stopped_callback is not None
    job.stopped_callback(job, jobs.connection)
    assert jobs.runs(f"{job.id}:stopped") == ["peak"]


def test_a_worker_that_was_started_in_simulated_work_takes_real_jobs_as_real(jobs: Jobs) -> None:
    ride = new_name()
    jobs.send(ride)
    worker = ThreadWorker([jobs.queue], connection=jobs.connection)
    with synthetic.simulated(run="peak"):
        worker.work(burst=True, logging_level="CRITICAL")
    assert jobs.runs(ride) == [None]
