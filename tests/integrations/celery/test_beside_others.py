"""Celery, while OpenTelemetry and Sentry instrument it as well."""

from __future__ import annotations

from typing import Any

import pytest

import synthetic
from tests.products.celery.workers import Workers, having
from tests.support.clients import run_script
from tests.support.work import is_on_after, new_name, work

Keys = dict[str, Any]

pytestmark = pytest.mark.usefixtures("celery_instrumented")


@pytest.mark.parametrize(
    "steps",
    ["opentelemetry ours app", "app ours opentelemetry", "sentry ours app", "ours app sentry opentelemetry"],
)
def test_beside_opentelemetry_and_sentry_each_task_has_its_own_verdict_in_any_order(
    over_rabbitmq: str, workers: Workers, worker_keys: Keys, steps: str
) -> None:
    synthetic.configure(keys=worker_keys)
    app = workers.start(over_rabbitmq, steps.replace(" ", "-"), "threads", having(worker_keys, steps=steps))
    names = {new_name(): "real" if number % 2 else f"run-{number}" for number in range(24)}
    for name, run in names.items():
        with work(run):
            (app.tasks["flaky"].s(name, 2) | app.tasks["note"].s(name=name)).delay()
            app.tasks["parent"].delay(name, headers=True)
    for name, run in names.items():
        noted = sorted(workers.notes.next(name) for _ in range(6))
        assert noted == sorted(f"{what} {run}" for what in [*["attempt"] * 3, "note", "child", "parent"])


IN_AN_ORDER = """
import sys
from celery import Celery
from kombu import Queue
import synthetic
from tests.products.celery.app import instrumentor
from tests.support import sentry

app = Celery("tests", broker="memory://", set_as_current=False)
theirs = instrumentor()

@app.task(shared=False, name="task")
def task():
    pass

synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {
    "ours on": lambda: synthetic.instrument("celery"),
    "ours off": lambda: synthetic.uninstrument("celery"),
    "theirs on": theirs.instrument,
    "theirs off": theirs.uninstrument,
    "sentry": sentry.switch_on,
}
with app.connection_for_read() as connection:
    queue = Queue("celery")(connection.default_channel)
    queue.declare()
    for step in sys.argv[1:]:
        steps[step]()
        for scope in (synthetic.simulated(run="rush-hour"), synthetic.real()):
            with scope:
                app.tasks["task"].apply_async(headers={"x": "1"})
            headers = queue.get(no_ack=True).headers
            carried = str(headers.get("baggage"))
            print(carried.startswith("synthetic-traffic="), carried.count("synthetic-traffic"), headers["x"])
"""


@pytest.mark.parametrize(
    "steps",
    [
        ("theirs on", "ours on", "theirs off", "ours off", "ours on", "ours off"),
        ("ours on", "theirs on", "ours off", "theirs off", "ours on", "ours off"),
        ("ours on", "sentry", "theirs on", "ours off", "ours on", "theirs off"),
        ("sentry", "ours on", "theirs on", "ours off", "theirs off", "ours on"),
    ],
    ids=["inside", "outside", "sentry-outside", "sentry-inside"],
)
def test_a_message_has_the_marker_once_and_first_while_ours_is_on(keys: Keys, steps: tuple[str, ...]) -> None:
    printed = iter(run_script(IN_AN_ORDER, *steps, keys=keys).splitlines())
    theirs = is_on_after(steps, "theirs on", "theirs off")
    for step, is_on, theirs_on in zip(steps, is_on_after(steps), theirs, strict=True):
        # OpenTelemetry's sends all baggage by itself.
        assert next(printed) == ("True 1 1" if is_on or theirs_on else "False 0 1"), step
        assert next(printed) == "False 0 1", step
