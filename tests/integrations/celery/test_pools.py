"""Celery: what a worker does around a task, in each kind of pool, and when a part of it is killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, chord

import synthetic
from tests.products.celery.workers import Workers, having
from tests.support.work import new_name, work

Keys = dict[str, Any]

pytestmark = pytest.mark.usefixtures("celery_instrumented")


@pytest.fixture(autouse=True)
def keys(worker_keys: Keys) -> Keys:
    synthetic.configure(keys=worker_keys)
    return worker_keys


@pytest.fixture
def prefork(over_rabbitmq: str, workers: Workers, keys: Keys) -> Celery:
    """A worker that notes signals, and whose processes were forked in the middle of simulated work."""
    return workers.start(over_rabbitmq, "processes", "prefork", having(keys, steps="ours stuck signals app"))


HANDLED: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "success": ({}, ["before_start", "body", "on_success", "after_return"],
                ["task_prerun", "task_success", "task_postrun"]),
    "failure": ({"fails": True}, ["before_start", "body", "on_failure", "after_return"],
                ["task_prerun", "task_failure", "task_postrun"]),
    "retry": ({"retries": 1},
              ["before_start", "body", "on_retry", "before_start", "body", "on_success", "after_return"],
              ["task_prerun", "task_retry", "task_postrun", "task_prerun", "task_success", "task_postrun"]),
}  # fmt: skip


@pytest.mark.parametrize("run", ["peak", "real"])
@pytest.mark.parametrize("case", HANDLED)
def test_handlers_and_signals_have_the_verdict_of_their_task(
    prefork: Celery, workers: Workers, case: str, run: str
) -> None:
    arguments, handlers, around = HANDLED[case]
    with work(run):
        task = prefork.tasks["handled"].apply_async(kwargs=arguments)
    seen = [workers.notes.next(task.id) for _ in handlers]
    heard = [workers.notes.next(f"{task.id} signals") for _ in around]
    assert sorted(seen) == sorted(f"{handler} {run}" for handler in handlers)
    assert sorted(heard) == sorted(f"{signal} {run}" for signal in around)


def test_a_process_of_the_pool_starts_without_a_verdict(prefork: Celery, workers: Workers) -> None:
    assert workers.notes.next("process processes") == "undecided"


def test_when_a_process_is_lost_retries_signals_and_error_callbacks_have_the_verdict_of_the_task(
    prefork: Celery, workers: Workers
) -> None:
    lost, again = {}, {}
    for run in ("peak", "real"):
        with work(run):
            lost[run] = prefork.tasks["dies"].apply_async(link_error=prefork.tasks["of id"].s()).id
            again[run] = new_name()
            prefork.tasks["dies once"].delay(again[run])
    for run in ("peak", "real"):
        assert workers.notes.next(f"{lost[run]} errback") == run
        heard = [workers.notes.next(f"{lost[run]} signals") for _ in range(2)]
        assert heard == [f"task_prerun {run}", f"task_failure {run}"]
        assert [workers.notes.next(again[run]) for _ in range(2)] == [f"attempt {run}"] * 2


@pytest.mark.parametrize("run", ["peak", "real"])
def test_the_error_callback_of_a_task_over_its_time_limit_has_the_verdict_of_the_task(
    prefork: Celery, workers: Workers, run: str
) -> None:
    with work(run):
        stopped = prefork.tasks["takes too long"].apply_async((new_name(),), link_error=prefork.tasks["of request"].s())
    assert workers.notes.next(f"{stopped.id} errback") == run


REPORTED: dict[str, tuple[str, dict[str, int], list[str]]] = {
    "done": ("reports", {}, ["accepted"]),
    "retried": ("reports", {"retries": 1}, ["accepted", "failed", "retried", "accepted"]),
}


@pytest.mark.parametrize("run", ["peak", "real"])
@pytest.mark.parametrize("case", REPORTED)
def test_a_class_of_requests_of_ones_own_has_the_verdict_of_its_task(
    prefork: Celery, workers: Workers, case: str, run: str
) -> None:
    name, arguments, reports = REPORTED[case]
    with work(run):
        task = prefork.tasks[name].apply_async(kwargs=arguments)
    seen = {workers.notes.next(f"{task.id} request") for _ in reports}
    assert seen == {f"{report} {run}" for report in reports}


@pytest.mark.parametrize("run", ["peak", "real"])
def test_a_class_of_requests_of_ones_own_has_the_verdict_of_a_task_over_its_time_limit(
    prefork: Celery, workers: Workers, run: str
) -> None:
    with work(run):
        task = prefork.tasks["reports too long"].apply_async((new_name(),))
    seen = [workers.notes.next(f"{task.id} request") for _ in range(4)]
    assert sorted(seen) == sorted(f"{report} {run}" for report in ("accepted", "timeout", "timed out", "failed"))


@pytest.mark.parametrize("run", ["peak", "real"])
def test_the_error_callback_of_a_chord_with_an_expired_part_has_the_verdict_of_the_chord(
    prefork: Celery, workers: Workers, run: str
) -> None:
    name = new_name()
    body = prefork.tasks["note"].s(name=name).on_error(prefork.tasks["of id"].s())
    with work(run):
        failed = chord([prefork.tasks["note"].si(name=name).set(countdown=0.2, expires=0.1)] * 2, body)()
    assert workers.notes.next(f"{failed.id} errback") == run


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_tasks_whose_worker_is_killed_have_the_same_verdict_in_the_next_worker(
    over_rabbitmq: str, workers: Workers, keys: Keys, pool: str
) -> None:
    queue = f"killed-{pool}"
    app = workers.start(over_rabbitmq, queue, pool, having(keys))
    names = {"peak": new_name(), "real": new_name()}
    for run, name in names.items():
        with work(run):
            app.tasks["waits"].delay(name)
    assert [workers.notes.next(name) for name in names.values()] == ["first peak", "first real"]
    workers.kill(queue)
    workers.start(over_rabbitmq, queue, pool, having(keys))
    assert [workers.notes.next(name) for name in names.values()] == ["again peak", "again real"]


@pytest.mark.parametrize("pool", ["gevent", "solo"])
def test_real_and_simulated_tasks_take_turns_in_other_pools(
    over_rabbitmq: str, workers: Workers, keys: Keys, pool: str
) -> None:
    app = workers.start(over_rabbitmq, f"pool-{pool}", pool, having(keys))
    names = {new_name(): "real" if number % 2 else f"run-{number}" for number in range(20)}
    for name, run in names.items():
        with work(run):
            app.tasks["flaky"].delay(name, 2)
    for name, run in names.items():
        assert [workers.notes.next(name) for _ in range(3)] == [f"attempt {run}"] * 3


def test_greenlets_that_wait_at_the_same_time_keep_their_own_verdict(
    over_rabbitmq: str, workers: Workers, keys: Keys
) -> None:
    app = workers.start(over_rabbitmq, "pool-gevent", "gevent", having(keys))
    names = {new_name(): "real" if number % 2 else f"run-{number}" for number in range(10)}
    for name, run in names.items():
        with work(run):
            app.tasks["waits"].apply_async((name,), link=app.tasks["note"].si(name=name))
    assert [workers.notes.next(name) for name in names] == [f"first {run}" for run in names.values()]
    for name in reversed(names):
        workers.notes.add(f"go {name}", None)
    assert [workers.notes.next(name) for name in names] == [f"note {run}" for run in names.values()]


@pytest.fixture(autouse=True)
def nothing_is_left(workers: Workers) -> Iterator[None]:
    yield
    assert workers.failures() == []
