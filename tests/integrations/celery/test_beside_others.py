"""Celery, while OpenTelemetry and Sentry instrument it as well."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest

import synthetic
from tests.integrations.celery.workers import Workers, having
from tests.support.clients import run_script

Keys = dict[str, Any]

pytestmark = pytest.mark.usefixtures("celery_instrumented")


def work(run: str) -> AbstractContextManager[Any]:
    return synthetic.real() if run == "real" else synthetic.simulated(run=run)


@pytest.mark.parametrize(
    "steps",
    ["opentelemetry ours app", "app ours opentelemetry", "sentry ours app", "ours app sentry opentelemetry"],
)
def test_in_a_worker_whoever_comes_first_each_task_is_of_its_work(
    over_rabbitmq: str, workers: Workers, worker_keys: Keys, steps: str
) -> None:
    synthetic.configure(keys=worker_keys)
    app = workers.start(over_rabbitmq, steps.replace(" ", "-"), "threads", having(worker_keys, steps=steps))
    names = {uuid4().hex: "real" if number % 2 else f"run-{number}" for number in range(24)}
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
from opentelemetry.instrumentation.celery import CeleryInstrumentor
import synthetic

app = Celery("tests", broker="memory://", set_as_current=False)
theirs = CeleryInstrumentor()

@app.task(shared=False, name="task")
def task():
    pass

def sentry():
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope):
            pass

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Nowhere)

steps = {
    "ours on": lambda: synthetic.instrument("celery"),
    "ours off": lambda: synthetic.uninstrument("celery"),
    "theirs on": theirs.instrument,
    "theirs off": theirs.uninstrument,
    "sentry": sentry,
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
def test_a_message_has_the_marker_once_and_first_whenever_ours_is_on(keys: Keys, steps: tuple[str, ...]) -> None:
    printed = iter(run_script(IN_AN_ORDER, *steps, keys=keys).splitlines())
    is_on = theirs_on = False
    for step in steps:
        is_on = step == "ours on" or (is_on and step != "ours off")
        theirs_on = step == "theirs on" or (theirs_on and step != "theirs off")
        # OpenTelemetry's sends all baggage by itself.
        assert next(printed) == ("True 1 1" if is_on or theirs_on else "False 0 1"), step
        assert next(printed) == "False 0 1", step
