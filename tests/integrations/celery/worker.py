"""What a worker of the tests loads: the environment says where the broker is, and has the settings.

``STEPS`` are done in order: what is switched on before the application is made, and after.
"""

from __future__ import annotations

import os

from celery import signals
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_celery import _refusal
from tests.integrations.celery.app import Notes, make_app, note_signals, seen

NOTES = Notes(f"{os.environ['STORE']}/2")
QUEUE = os.environ["QUEUE"]


def opentelemetry() -> None:
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    CeleryInstrumentor().instrument(tracer_provider=NoOpTracerProvider())


def sentry() -> None:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: object) -> None:
            pass

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Nowhere)


def stuck() -> None:
    """Work that goes on for as long as this process lives."""
    synthetic.simulated(run="stuck").__enter__()


def often() -> None:
    """Ask for a readiness that the test decides on; and soon again."""
    _refusal.LATER_AFTER = 0.1
    synthetic.configure(ready=lambda: NOTES.take(f"readiness {QUEUE}") in (None, "ready"))


DO = {
    "ours": lambda: synthetic.instrument("celery"),
    "opentelemetry": opentelemetry,
    "sentry": sentry,
    "signals": lambda: note_signals(NOTES),
    "stuck": stuck,
    "often": often,
}

before, _, after = os.environ.get("STEPS", "app ours").partition("app")
for step in before.split():
    DO[step]()
app = make_app(os.environ["BROKER"], os.environ["STORE"], QUEUE)
for step in after.split():
    DO[step]()

signals.worker_ready.connect(lambda **_: NOTES.add(f"ready {QUEUE}", os.getpid()), weak=False)
signals.worker_process_init.connect(lambda **_: NOTES.add(f"process {QUEUE}", seen()), weak=False)
