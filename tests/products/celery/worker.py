"""The module that a worker loads: the environment says where the broker is, and has the settings.

``STEPS`` are done in order: what is switched on before the application is made, and after.
"""

from __future__ import annotations

import os

from celery import signals

import synthetic
from synthetic_celery import _refusal
from tests.products.celery.app import Notes, contrib, make_app, note_signals, seen
from tests.support import sentry

NOTES = Notes(f"{os.environ['STORE']}/2")
QUEUE = os.environ["QUEUE"]


def stuck() -> None:
    """Work that goes on for as long as this process lives."""
    synthetic.simulated(run="stuck").__enter__()


def often() -> None:
    """Ask the test whether this worker is ready; and ask again soon."""
    _refusal.LATER_AFTER = 0.1
    synthetic.configure(ready=lambda: NOTES.take(f"readiness {QUEUE}") in (None, "ready"))


def soon() -> None:
    """Look again soon at a task that may be admitted later."""
    _refusal.LATER_AFTER = 0.1


DO = {
    "ours": lambda: synthetic.instrument("celery"),
    "opentelemetry": contrib,
    "sentry": sentry.switch_on,
    "signals": lambda: note_signals(NOTES),
    "stuck": stuck,
    "often": often,
    "soon": soon,
}

before, _, after = os.environ.get("STEPS", "app ours").partition("app")
for step in before.split():
    DO[step]()
app = make_app(os.environ["BROKER"], os.environ["STORE"], QUEUE)
for step in after.split():
    DO[step]()

signals.worker_ready.connect(lambda **_: NOTES.add(f"ready {QUEUE}", os.getpid()), weak=False)
signals.worker_process_init.connect(lambda **_: NOTES.add(f"process {QUEUE}", seen()), weak=False)
