"""RQ's own command, with jobs in processes of their own; and RQ beside Sentry and OpenTelemetry."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import rq

import synthetic
from tests.products.rq.workers import Jobs
from tests.support.clients import run_script
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import environment
from tests.support.work import is_on_after, new_name

Keys = dict[str, Any]

WORKERS = [name for name in ("Worker", "SpawnWorker", "SimpleWorker") if hasattr(rq.worker, name)]


@pytest.mark.parametrize("worker", WORKERS)
@pytest.mark.usefixtures("on")
def test_the_command_performs_each_job_under_its_own_verdict(
    jobs: Jobs, keys: Keys, valkey_port: int, worker: str
) -> None:
    simulated, real, forged = new_name(), new_name(), new_name()
    with synthetic.simulated(run="peak"):
        jobs.send(simulated)
    jobs.send(real)
    jobs.send_raw(forged, [entry(mint(shared_key()))])
    options = [
        "--job-class",
        "tests.products.rq.command.Job",
        "--worker-class",
        f"rq.worker.{worker}",
        "--burst",
    ]
    options += ["--url", f"redis://127.0.0.1:{valkey_port}"]
    subprocess.run(
        [sys.executable, "-m", "rq.cli", "worker", jobs.queue.name, *options],
        env=environment() | {"SYNTHETIC_KEYS": json.dumps(keys)},
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert jobs.runs(simulated, real) == ["peak", None]
    assert jobs.reason(forged) == "bad-signature"
    assert jobs.find(forged) is None


IN_AN_ORDER = """
import sys
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # RQ's own, before version 2
from redis import Redis
from rq import Queue
import synthetic
from tests.products.rq.jobs import say
from tests.products.rq.workers import ThreadWorker, work_off
from tests.support import sentry

synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {
    "on": lambda: synthetic.instrument("rq"),
    "off": lambda: synthetic.uninstrument("rq"),
    "sentry": lambda: sentry.switch_on("rq.RqIntegration"),
}
with Redis(port=int(sys.argv[1])) as connection:
    queue = Queue(sys.argv[2], connection=connection)
    for step in sys.argv[3:]:
        steps[step]()
        with synthetic.simulated(run="peak"):
            simulated = queue.enqueue(say, "hello")
        real = queue.enqueue(say, "hello")
        work_off(queue, ThreadWorker)
        header = connection.hget(simulated.key, "baggage") or b""
        print(header.count(b"synthetic-traffic="), simulated.return_value(), real.return_value(), sep=", ")
"""


@pytest.mark.parametrize("steps", ["sentry on off on", "on sentry off on"])
def test_beside_sentry_each_job_has_its_own_verdict_in_any_order(keys: Keys, valkey_port: int, steps: str) -> None:
    printed = run_script(IN_AN_ORDER, str(valkey_port), new_name(), *steps.split(), keys=keys).splitlines()
    assert printed == [
        "1, hello, simulated, hello, real" if is_on else "0, hello, real, hello, real"
        for is_on in is_on_after(steps.split(), "on", "off")
    ]
