"""RQ's own command, with jobs in processes of their own; and RQ beside Sentry and OpenTelemetry."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import rq

import synthetic
from tests.integrations.rq import jobs as rq_jobs
from tests.integrations.rq.workers import Jobs, a_name, reason_in, runs
from tests.support.clients import run_script
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import environment

Keys = dict[str, Any]

WORKERS = [name for name in ("Worker", "SpawnWorker", "SimpleWorker") if hasattr(rq.worker, name)]


@pytest.mark.parametrize("worker", WORKERS)
@pytest.mark.usefixtures("on")
def test_the_command_performs_each_job_as_what_it_is(jobs: Jobs, keys: Keys, valkey_port: int, worker: str) -> None:
    simulated, real, forged = a_name(), a_name(), a_name()
    with synthetic.simulated(run="peak"):
        jobs.send(simulated)
    jobs.send(real)
    jobs.send_raw(forged, [entry(mint(shared_key()))])
    options = ["--job-class", "synthetic_rq.SyntheticJob", "--worker-class", f"rq.worker.{worker}", "--burst"]
    options += ["--url", f"redis://127.0.0.1:{valkey_port}"]
    subprocess.run(
        [sys.executable, "-m", "rq.cli", "worker", jobs.queue.name, *options],
        env=environment() | {"SYNTHETIC_KEYS": json.dumps(keys)},
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert runs(jobs, simulated, real) == ["peak", None]
    assert reason_in(jobs.connection, forged) == "bad-signature"
    assert rq_jobs.seen_in(jobs.connection, forged) is None


IN_AN_ORDER = """
import sys
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # RQ's own, before version 2
from redis import Redis
from rq import Queue
import synthetic
from tests.integrations.rq.jobs import say
from tests.integrations.rq.workers import ThreadWorker, work_off

def sentry():
    import sentry_sdk
    from sentry_sdk.integrations.rq import RqIntegration
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope):
            pass

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Nowhere, integrations=[RqIntegration()]
    )

steps = {"on": lambda: synthetic.instrument("rq"), "off": lambda: synthetic.uninstrument("rq"), "sentry": sentry}
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
def test_beside_sentry_a_job_is_what_it_is_whoever_comes_first(keys: Keys, valkey_port: int, steps: str) -> None:
    printed = run_script(IN_AN_ORDER, str(valkey_port), a_name(), *steps.split(), keys=keys).splitlines()
    is_on = False
    expected = []
    for step in steps.split():
        is_on = step == "on" or (is_on and step != "off")
        expected.append("1, hello, simulated, hello, real" if is_on else "0, hello, real, hello, real")
    assert printed == expected
