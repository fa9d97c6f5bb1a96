"""dramatiq's workers: their threads and processes, and what is switched on and off."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import dramatiq
import pytest
from dramatiq.broker import Broker
from dramatiq.worker import Worker, _ConsumerThread, _WorkerThread

import synthetic
from synthetic_dramatiq import SyntheticTrafficMiddleware
from tests.integrations.dramatiq.workers import RabbitmqRides, RedisRides, a_name, once_each, runs, working
from tests.support.clients import run_script
from tests.support.servers import environment

Keys = dict[str, Any]


@pytest.mark.usefixtures("on")
def test_a_worker_that_was_started_in_simulated_work_takes_real_messages_as_real(rides: RedisRides) -> None:
    verdicts: list[bool] = []

    class Watching(dramatiq.Middleware):
        def after_worker_thread_boot(self, broker: Any, thread: Any) -> None:
            verdicts.append(synthetic.is_synthetic())

        after_consumer_thread_boot = after_worker_thread_boot

    rides.broker.add_middleware(Watching())
    synthetic.instrument("concurrency")  # threads get the verdict of where they are started
    try:
        with synthetic.simulated(run="peak"), working(rides, threads=1):
            name = a_name()
            with synthetic.real():
                rides.note.send_with_options(args=(name,), delay=10)
            assert runs(rides, name) == [None]
    finally:
        synthetic.uninstrument("concurrency")
    assert set(verdicts) == {False}


WORKER = """
import sys, time
import dramatiq, synthetic
from dramatiq.brokers.rabbitmq import RabbitmqBroker

synthetic.instrument("dramatiq")
broker = RabbitmqBroker(host="127.0.0.1", port=int(sys.argv[1]))

@dramatiq.actor(actor_name="note", broker=broker, queue_name=sys.argv[2])
def note(name):
    print(synthetic.current().run, flush=True)
    time.sleep(60)

dramatiq.Worker(broker, worker_timeout=10, worker_threads=1).start()
time.sleep(60)
"""


@pytest.mark.usefixtures("on")
def test_a_message_whose_worker_was_killed_is_still_simulated_when_it_is_delivered_again(
    rabbitmq_port: int, keys: Keys
) -> None:
    rides = RabbitmqRides(rabbitmq_port)
    name = a_name()
    with synthetic.simulated(run="peak"):
        rides.send(name)
    command = [sys.executable, "-c", WORKER, str(rabbitmq_port), rides.queue_name]
    variables = environment() | {"SYNTHETIC_KEYS": json.dumps(keys)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "peak\n"
        worker.kill()
    with working(rides):
        assert runs(rides, name) == ["peak"]


# Switching on and off


def test_what_is_switched_off_is_as_it_was(keys: Keys) -> None:
    def attributes() -> list[dict[str, Any]]:
        return [dict(vars(owner)) for owner in (Broker, _WorkerThread, _ConsumerThread)]

    before = attributes()
    synthetic.instrument("dramatiq")
    synthetic.instrument("dramatiq")
    assert attributes() != before
    synthetic.uninstrument("dramatiq")
    assert attributes() == before


@pytest.mark.usefixtures("on")
def test_with_the_middleware_as_well_a_message_has_its_marker_once(rides: RedisRides) -> None:
    rides.broker.add_middleware(SyntheticTrafficMiddleware())
    with working(rides):
        simulated, real = once_each(rides.send)
        assert runs(rides, simulated, real) == ["peak", None]
        assert str(rides.handled(simulated).baggage).count("synthetic-traffic=") == 1


@pytest.mark.usefixtures("on")
def test_a_worker_of_a_broker_that_was_made_before_is_covered(keys: Keys, valkey_port: int) -> None:
    synthetic.uninstrument("dramatiq")
    rides = RedisRides(valkey_port)
    worker = Worker(rides.broker, worker_timeout=10, worker_threads=1)
    synthetic.instrument("dramatiq")
    worker.start()
    try:
        assert runs(rides, *once_each(rides.send)) == ["peak", None]
    finally:
        worker.stop()
        rides.broker.close()


IN_AN_ORDER = """
import sys
import synthetic
from tests.integrations.dramatiq.workers import RedisRides, once_each, runs, working

def sentry():
    import sentry_sdk
    from sentry_sdk.integrations.dramatiq import DramatiqIntegration
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope):
            pass

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Nowhere, integrations=[DramatiqIntegration()]
    )

steps = {
    "on": lambda: synthetic.instrument("dramatiq"), "off": lambda: synthetic.uninstrument("dramatiq"), "sentry": sentry
}
for step in sys.argv[2:]:
    steps[step]()
    rides = RedisRides(int(sys.argv[1]))
    with working(rides):
        names = once_each(rides.send)
        baggage = str(rides.handled(names[0]).baggage)
        print(baggage.count("synthetic-traffic="), *(rides.handled(name).run for name in names))
"""


@pytest.mark.parametrize("steps", ["sentry on off on", "on sentry off on"])
def test_beside_sentry_a_message_is_what_it_is_whoever_comes_first(keys: Keys, valkey_port: int, steps: str) -> None:
    printed = run_script(IN_AN_ORDER, str(valkey_port), *steps.split(), keys=keys).splitlines()
    is_on, expected = False, []
    for step in steps.split():
        is_on = step == "on" or (is_on and step != "off")
        expected.append("1 peak None" if is_on else "0 None None")
    assert printed == expected
