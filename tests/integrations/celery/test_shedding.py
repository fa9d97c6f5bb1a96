"""``shed="auto"`` in workers: a simulated task that has no place comes later, and real tasks do not wait for it."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

import synthetic
from tests.products.celery.workers import Workers, having
from tests.support.keys import entry, mint, shared_key
from tests.support.work import new_name

Keys = dict[str, Any]

pytestmark = pytest.mark.usefixtures("celery_instrumented")


@pytest.fixture(autouse=True)
def keys(worker_keys: Keys) -> Keys:
    synthetic.configure(keys=worker_keys)
    return worker_keys


@pytest.fixture(params=["prefork", "threads", "solo"])
def pool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(over_redis: str, workers: Workers, keys: Keys, pool: str) -> Celery:
    return workers.start(over_redis, f"shedding-{pool}", pool, having(keys, steps="soon app ours", shed="auto"))


def test_a_second_simulated_task_comes_later_and_a_real_one_at_once(app: Celery, workers: Workers, pool: str) -> None:
    if pool == "solo":
        pytest.skip("it runs one task at a time, whatever that is")
    first, second, real = new_name(), new_name(), new_name()
    with synthetic.simulated(run="peak"):
        waiting = app.tasks["waits"].delay(first)
        assert workers.notes.next(first) == "first peak"
        app.tasks["note"].apply_async(kwargs={"name": second}, task_id=second)
    with synthetic.real():
        for _ in range(3):
            app.tasks["note"].delay(name=real)
            assert workers.notes.next(real) == "note real"
    assert workers.notes.all(second) == []
    workers.notes.add(f"go {first}", "on")
    waiting.get(timeout=60)
    assert workers.notes.next(second) == "note peak"
    assert app.AsyncResult(second).get(timeout=60) == second
    assert workers.notes.all(second) == []  # only once


def test_a_place_is_free_after_every_end_of_a_task(app: Celery, workers: Workers, pool: str) -> None:
    endings: list[tuple[str, dict[str, Any]]] = [
        ("note", {"name": new_name()}),
        ("handled", {"fails": True}),
        ("handled", {"retries": 2}),
        ("fails", {}),
    ]
    if pool == "prefork":
        endings += [("takes too long", {"name": new_name()}), ("dies", {})]
    for name, arguments in endings:
        with synthetic.simulated(run="peak"):
            app.tasks[name].apply_async(kwargs=arguments).get(timeout=60, propagate=False)
            after = new_name()
            app.tasks["note"].delay(name=after)
        assert workers.notes.next(after) == "note peak", name


def test_a_simulated_task_that_waits_for_its_time_keeps_nobody_out(app: Celery, workers: Workers) -> None:
    later, now = new_name(), new_name()
    with synthetic.simulated(run="peak"):
        app.tasks["note"].apply_async(kwargs={"name": later}, countdown=3600)
        app.tasks["note"].delay(name=now)
    assert workers.notes.next(now) == "note peak"
    assert workers.notes.all(later) == []


def test_a_simulated_task_whose_time_has_come_waits_for_a_place_in_threads(
    over_redis: str, workers: Workers, keys: Keys
) -> None:
    app = workers.start(over_redis, "shedding-threads", "threads", having(keys, steps="soon app ours", shed="auto"))
    first, second, real = new_name(), new_name(), new_name()
    with synthetic.simulated(run="peak"):
        waiting = app.tasks["waits"].delay(first)
        assert workers.notes.next(first) == "first peak"
        app.tasks["note"].apply_async(kwargs={"name": second}, countdown=0.1)
    with synthetic.real():
        app.tasks["note"].apply_async(kwargs={"name": real}, countdown=0.3)
    assert workers.notes.next(real) == "note real"
    assert workers.notes.all(second) == []
    workers.notes.add(f"go {first}", "on")
    waiting.get(timeout=60)
    assert workers.notes.next(second) == "note peak"


def test_a_forged_task_takes_no_place(app: Celery, workers: Workers) -> None:
    for _ in range(2):
        forged = app.tasks["note"].apply_async(
            kwargs={"name": new_name()}, headers={"baggage": entry(mint(shared_key()))}
        )
        assert isinstance(forged.get(timeout=60, propagate=False), synthetic.MessageRefused)
    name = new_name()
    with synthetic.simulated(run="peak"):
        app.tasks["note"].delay(name=name)
    assert workers.notes.next(name) == "note peak"
