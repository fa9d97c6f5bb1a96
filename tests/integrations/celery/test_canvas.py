"""Celery: the tasks that a task leads to are of the same work: retries, callbacks, chains, groups, chords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import StampingVisitor

import synthetic
from tests.products.celery.workers import Workers, having, send_raw
from tests.support.keys import entry, mint
from tests.support.markers import expired
from tests.support.work import new_name, work

Keys = dict[str, Any]
Send = Callable[[Celery, str], Any]

pytestmark = pytest.mark.usefixtures("celery_instrumented")


@pytest.fixture
def keys(worker_keys: Keys) -> Keys:
    return worker_keys


@pytest.fixture(params=[("amqp", "threads"), ("redis", "prefork")], ids="-".join)
def app(request: pytest.FixtureRequest, workers: Workers, keys: Keys) -> Celery:
    transport, pool = request.param
    address = request.getfixturevalue("over_rabbitmq" if transport == "amqp" else "over_redis")
    synthetic.configure(keys=keys)
    return workers.start(address, f"{transport}-{pool}", pool, having(keys, halt="stopped"))


def note(app: Celery, name: str, what: str = "note") -> Any:
    return app.tasks["note"].s(name=name, what=what)


class Stamps(StampingVisitor):
    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {"ticket": "17", "stamped_headers": ["ticket"]}


def stamped(app: Celery, name: str) -> Any:
    workflow = chain(note(app, name), note(app, name, "next"))
    workflow.stamp(Stamps())
    return workflow.apply_async()


SHAPES: dict[str, tuple[Send, list[str]]] = {
    "delay": (lambda app, name: app.tasks["note"].delay(name=name), ["note"]),
    "by name": (lambda app, name: app.send_task("note", kwargs={"name": name}), ["note"]),
    "signature": (lambda app, name: note(app, name).apply_async(), ["note"]),
    "serialised signature": (lambda app, name: app.signature(dict(note(app, name))).delay(), ["note"]),
    "countdown": (lambda app, name: note(app, name).apply_async(countdown=0.1), ["note"]),
    "retry": (lambda app, name: app.tasks["flaky"].delay(name, 2), ["attempt"] * 3),
    "automatic retry": (lambda app, name: app.tasks["impatient"].delay(name), ["attempt"] * 3),
    "child": (lambda app, name: app.tasks["parent"].delay(name), ["child", "parent"]),
    "child with the parent's headers": (lambda app, name: app.tasks["parent"].delay(name, headers=True),
                                        ["child", "parent"]),
    "link": (lambda app, name: app.tasks["flaky"].apply_async((name, 1), link=[note(app, name), note(app, name)]),
             ["attempt", "attempt", "note", "note"]),
    "replace": (lambda app, name: app.tasks["replaced"].delay(name), ["replaced", "replacement"]),
    "chain": (lambda app, name: chain(note(app, name, "1"), note(app, name, "2"), note(app, name, "3"))(),
              ["1", "2", "3"]),
    "chain after a retry": (lambda app, name: chain(app.tasks["flaky"].s(name, 1), note(app, name, "next"))(),
                            ["attempt", "attempt", "next"]),
    "group": (lambda app, name: group(note(app, name) for _ in range(4))(), ["note"] * 4),
    "chord": (lambda app, name: chord([note(app, name) for _ in range(3)], note(app, name, "body"))(),
              ["body", "note", "note", "note"]),
    "chord with a retry": (lambda app, name: chord([app.tasks["flaky"].s(name, 1), note(app, name)],
                                                   note(app, name, "body"))(),
                           ["attempt", "attempt", "body", "note"]),
    "chord in a chain": (lambda app, name: chain(note(app, name, "0"), group([note(app, name, "1")] * 2),
                                                 note(app, name, "2"))(), ["0", "1", "1", "2"]),
    "replaced in a chain": (lambda app, name: chain(app.tasks["replaced"].si(name), note(app, name, "next"))(),
                            ["next", "replaced", "replacement"]),
    "map": (lambda app, name: app.tasks["flaky"].starmap([(name, 0), (name, 0)]).delay(), ["attempt"] * 2),
    "stamped chain": (stamped, ["next", "note"]),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_task_that_a_task_leads_to_has_the_same_verdict(app: Celery, workers: Workers, shape: str) -> None:
    send, expected = SHAPES[shape]
    names = {new_name(): run for run in ("peak", "real", "other", "real")}
    for name, run in names.items():
        with work(run):
            send(app, name)
    for name, run in names.items():
        seen = sorted(workers.notes.next(name) for _ in expected)
        assert seen == sorted(f"{what} {run}" for what in expected)


@pytest.mark.parametrize("way", ["countdown", "retry", "chain"])
def test_an_expired_token_of_admitted_work_is_passed_on_unchanged(
    app: Celery, workers: Workers, keys: Keys, way: str
) -> None:
    send, expected = SHAPES[way]
    name = new_name()
    attached = synthetic.admitted({"baggage": entry(mint(keys, claims={"run": "peak", **expired(3600)}))})
    with attached:
        send(app, name)
    assert {workers.notes.next(name).split()[1] for _ in expected} == {"peak"}


@pytest.mark.parametrize("name_of_header", ["Baggage", "BAGGAGE", "bAgGaGe"])
def test_a_header_name_in_capitals_is_found(app: Celery, workers: Workers, keys: Keys, name_of_header: str) -> None:
    name = new_name()
    header = entry(mint(keys, claims={"run": "peak"}))
    send_raw(app, name, {name_of_header: header}, "flaky")
    assert workers.notes.next(name) == "attempt peak"


@pytest.mark.parametrize("run", ["peak", "real"])
@pytest.mark.parametrize("errback", ["of id", "of request"])
def test_the_error_callback_of_a_failed_task_has_the_verdict_of_the_task(
    app: Celery, workers: Workers, errback: str, run: str
) -> None:
    with work(run):
        failed = app.tasks["fails"].apply_async(link_error=app.tasks[errback].s())
    assert workers.notes.next(f"{failed.id} errback") == run


@pytest.mark.parametrize("run", ["peak", "real"])
def test_the_error_callback_of_a_failed_chord_has_the_verdict_of_the_chord(
    app: Celery, workers: Workers, run: str
) -> None:
    name = new_name()
    body = note(app, name, "body").on_error(app.tasks["of id"].s())
    with work(run):
        failed = chord([app.tasks["fails"].s(), note(app, name)], body)()
    assert workers.notes.next(f"{failed.id} errback") == run


@pytest.mark.parametrize("run", ["peak", "real"])
def test_a_task_of_protocol_1_carries_the_marker(app: Celery, workers: Workers, run: str) -> None:
    name = new_name()
    app.conf.task_protocol = 1
    del app.amqp.create_task_message
    try:
        with work(run):
            app.tasks["flaky"].delay(name, 1)
            app.tasks["flaky"].delay(name, 0)
    finally:
        app.conf.task_protocol = 2
        del app.amqp.create_task_message
    assert {workers.notes.next(name) for _ in range(3)} == {f"attempt {run}"}
