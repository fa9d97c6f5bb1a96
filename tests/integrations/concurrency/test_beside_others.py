"""Threads and executors, while OpenTelemetry and Sentry wrap the same methods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.concurrency.marks import NEEDS_SENTRY
from tests.support.clients import run_script
from tests.support.orders import orders, switched

IN_AN_ORDER = """
import sys, threading, synthetic
from concurrent.futures import ThreadPoolExecutor
from opentelemetry import context
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

class Overriding(threading.Thread):
    def run(self):
        found.append(synthetic.is_synthetic())

def carried(thread):
    thread.start()
    thread.join()
    return found.pop()

found = []
theirs = ThreadingInstrumentor()
synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {
    "ours on": lambda: synthetic.instrument("concurrency"),
    "ours off": lambda: synthetic.uninstrument("concurrency"),
    "theirs on": theirs.instrument,
    "theirs off": theirs.uninstrument,
}
for step in sys.argv[1:]:
    steps[step]()
    with synthetic.simulated(run="rush-hour"), ThreadPoolExecutor(1) as pool:
        seen = [
            carried(Overriding()),
            carried(threading.Thread(target=lambda: found.append(synthetic.is_synthetic()))),
            carried(threading.Timer(0, lambda: found.append(synthetic.is_synthetic()))),
            pool.submit(synthetic.is_synthetic).result(),
        ]
        with synthetic.real():
            assert pool.submit(synthetic.is_synthetic).result() is False
    print("all" if all(seen) else "not all")
"""


@orders(nested=("theirs on", "ours on", "ours off", "theirs off", "ours on", "ours off"))
def test_the_verdict_is_carried_in_every_order_of_switching_with_opentelemetry(
    keys: dict[str, Any], steps: tuple[str, ...]
) -> None:
    pytest.importorskip("opentelemetry.instrumentation.threading")
    printed = run_script(IN_AN_ORDER, *steps, keys=keys).splitlines()
    for (step, is_on), told in zip(switched(steps), printed, strict=True):
        assert told == ("all" if is_on else "not all"), step


SENTRY = """
import sys, threading, synthetic, sentry_sdk
from concurrent.futures import ThreadPoolExecutor
from sentry_sdk.transport import Transport

class Nowhere(Transport):
    def capture_envelope(self, envelope):
        pass

class Overriding(threading.Thread):
    def run(self):
        found.append((synthetic.is_synthetic(), sentry_sdk.get_isolation_scope()._tags.get("ride")))

found = []
if sys.argv[1] == "ours":
    synthetic.instrument("concurrency")
sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Nowhere)
synthetic.instrument("concurrency")
for scope in (synthetic.simulated(run="rush-hour"), synthetic.real(), synthetic.simulated(run="rush-hour")):
    with scope, sentry_sdk.isolation_scope() as sentry, ThreadPoolExecutor(1) as pool:
        sentry.set_tag("ride", "7")
        thread = Overriding()
        thread.start()
        thread.join()
        print(found.pop(), pool.submit(synthetic.is_synthetic).result())
"""


@NEEDS_SENTRY
@pytest.mark.parametrize("first", ["ours", "sentry"])
def test_a_thread_has_the_scope_of_sentry_and_the_verdict(keys: dict[str, Any], first: str) -> None:
    printed = run_script(SENTRY, first, keys=keys).splitlines()
    assert printed == ["(True, '7') True", "(False, '7') False", "(True, '7') True"]
