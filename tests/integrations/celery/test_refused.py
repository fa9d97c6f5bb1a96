"""Celery: tasks that are refused, and tasks that come too early."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord

import synthetic
from synthetic_celery import TaskRefused
from tests.contract.messages import eventually
from tests.products.celery.workers import Workers, dead_letter, having
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import wait_until
from tests.support.work import new_name

Keys = dict[str, Any]

pytestmark = pytest.mark.usefixtures("celery_instrumented")

QUEUE = "refusals"
ANSWERS = f"readiness {QUEUE}"
"""What the worker is told, one after the other, when it asks whether it is ready."""


@pytest.fixture(autouse=True)
def keys(worker_keys: Keys) -> Keys:
    synthetic.configure(keys=worker_keys)
    return worker_keys


@pytest.fixture(scope="session")
def halt_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("halt") / "halt"
    path.write_text("")
    return path


@pytest.fixture
def app(over_rabbitmq: str, workers: Workers, keys: Keys, halt_file: Path) -> Celery:
    """A worker that runs one task after the other."""
    settings = having(keys, steps="signals app ours often", halt_file=str(halt_file))
    return workers.start(over_rabbitmq, QUEUE, "prefork", {**settings, "CONCURRENCY": "1"})


@pytest.fixture
def forged() -> dict[str, str]:
    return {"baggage": entry(mint(shared_key()))}


@pytest.fixture
def nothing_came_of(app: Celery, workers: Workers) -> Callable[[str], bool]:
    """Whether there is no note by these names, though the worker has run another task since."""

    def nothing_came_of(*names: str) -> bool:
        other = new_name()
        app.tasks["note"].delay(name=other)
        workers.notes.next(other)
        return [note for name in names for note in workers.notes.all(name)] == []

    return nothing_came_of


def error_of(result: Any) -> Any:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - a chord's is its own
        result.get(timeout=60)
    return raised.value


@pytest.mark.parametrize("errback", ["of id", "of request"])
def test_a_refused_task_runs_nothing_fails_for_its_caller_and_is_a_dead_letter(
    app: Celery, forged: dict[str, str], nothing_came_of: Callable[..., bool], errback: str
) -> None:
    refused = app.tasks["handled"].apply_async(headers=forged, link_error=app.tasks[errback].s())
    error = error_of(refused)
    assert (type(error), error.reason.value) == (TaskRefused, "bad-signature")
    assert "not admitted (bad-signature)" in str(error)
    assert eventually(lambda: dead_letter(app, refused.id)).headers["baggage"] == forged["baggage"]
    assert nothing_came_of(refused.id, f"{refused.id} errback", f"{refused.id} signals")


def test_a_chain_whose_first_task_is_refused_fails(
    app: Celery, forged: dict[str, str], nothing_came_of: Callable[..., bool]
) -> None:
    name = new_name()
    note = app.tasks["note"].s(name=name)
    refused = chain(note.set(headers=forged), note.clone()).apply_async()
    assert error_of(refused).reason.value == "bad-signature"
    assert nothing_came_of(name)


@pytest.mark.parametrize("begins_a_chain", [False, True])
def test_a_chord_whose_parts_are_refused_fails_and_runs_no_callback(
    app: Celery, forged: dict[str, str], nothing_came_of: Callable[..., bool], begins_a_chain: bool
) -> None:
    name = new_name()
    note = app.tasks["note"].s(name=name)
    part = note.clone().set(headers=forged)
    part = chain(part, note.clone()) if begins_a_chain else part
    body = note.clone().on_error(app.tasks["of id"].s()).on_error(app.tasks["of request"].s())
    refused = chord([part.clone(), part.clone()], body).apply_async()
    assert "bad-signature" in str(error_of(refused))
    assert nothing_came_of(name, f"{refused.id} errback")


def test_a_refused_task_whose_result_is_ignored_is_a_dead_letter(app: Celery, forged: dict[str, str]) -> None:
    ignored = app.tasks["note"].apply_async(headers=forged, kwargs={"name": "-"}, ignore_result=True)
    eventually(lambda: dead_letter(app, ignored.id))
    assert app.backend.get_state(ignored.id) == "PENDING"


def test_a_refused_task_with_an_unreadable_body_is_a_dead_letter(app: Celery, forged: dict[str, str]) -> None:
    name = new_name()
    message = app.amqp.as_task_v2(name, "note", kwargs={"name": name})
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            b"{", content_type="application/json", content_encoding="utf-8", routing_key=QUEUE,
            headers={**message.headers, **forged}, **message.properties,
        )  # fmt: skip
    eventually(lambda: dead_letter(app, name))


def test_waiting_tasks_of_a_halted_run_do_not_run(
    app: Celery, workers: Workers, halt_file: Path, nothing_came_of: Callable[..., bool]
) -> None:
    for _ in range(2):
        workers.notes.add(ANSWERS, "ready")
    with synthetic.simulated(run="halted-run"):
        early = app.tasks["handled"].apply_async(countdown=1.5, link_error=app.tasks["of id"].s())
        late = app.tasks["late"].apply_async(countdown=1.5)
    wait_until(lambda: workers.notes.all(ANSWERS) == [])  # both were received
    halt_file.write_text("halted-run\n")
    assert [error_of(task).reason.value for task in (early, late)] == ["halted", "halted"]
    eventually(lambda: dead_letter(app, late.id))
    assert nothing_came_of(early.id, late.id, f"{early.id} errback")
    # Celery 5.7 tells of it in the worker's main process, where that is part of the task's work.
    assert set(workers.notes.all(f"{early.id} signals")) <= {"task_failure halted-run"}


@pytest.mark.parametrize(
    "answers",
    [["not", "not", "not"], ["ready", "not"], ["ready", "not", "not", "ready", "not"]],
    ids=["received", "run", "both"],
)
def test_a_task_that_the_worker_is_not_ready_for_comes_again_and_real_tasks_do_not_wait(
    app: Celery, workers: Workers, answers: list[str]
) -> None:
    names = {"peak": new_name(), "real": new_name()}
    for answer in answers:
        workers.notes.add(ANSWERS, answer)
    with synthetic.simulated(run="peak"):
        name = names["peak"]
        app.tasks["flaky"].apply_async((name, 0), task_id=name, link=app.tasks["note"].s(name=name))
    with synthetic.real():
        app.tasks["note"].delay(name=names["real"])
    assert workers.notes.next(names["real"]) == "note real"
    assert [workers.notes.next(name) for _ in range(2)] == ["attempt peak", "note peak"]
    assert app.AsyncResult(name).get(timeout=60) == name
    assert workers.notes.all(ANSWERS) == []


def test_the_error_survives_pickling_and_a_result_backend() -> None:
    error = TaskRefused("shed")
    for copy in (pickle.loads(pickle.dumps(error)), TaskRefused(*error.args)):
        assert (copy.reason, copy.is_later, str(copy)) == (error.reason, True, str(error))
