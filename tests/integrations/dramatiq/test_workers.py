"""dramatiq's workers: their threads and processes, and how they are instrumented."""

from __future__ import annotations

from typing import Any

import dramatiq
import pytest
from dramatiq.broker import Broker
from dramatiq.worker import Worker, _ConsumerThread, _WorkerThread

import synthetic
from synthetic_dramatiq import SyntheticTrafficMiddleware
from tests.products.dramatiq import RabbitmqRides, RedisRides, working
from tests.support.clients import run_script
from tests.support.killed import first_line_of
from tests.support.work import is_on_after, new_name, send_from_both

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
            name = new_name()
            with synthetic.real():
                rides.ride.send_with_options(args=(name,), delay=10)
            assert rides.runs(name) == [None]
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
    name = new_name()
    with synthetic.simulated(run="peak"):
        rides.send(name)
    assert first_line_of(WORKER, rabbitmq_port, rides.queue_name, keys=keys) == "peak\n"
    with working(rides):
        assert rides.runs(name) == ["peak"]


# Switching on and off


def test_uninstrument_restores_the_originals(keys: Keys) -> None:
    def attributes() -> list[dict[str, Any]]:
        return [dict(vars(owner)) for owner in (Broker, _WorkerThread, _ConsumerThread)]

    before = attributes()
    synthetic.instrument("dramatiq")
    synthetic.instrument("dramatiq")
    assert attributes() != before
    synthetic.uninstrument("dramatiq")
    assert attributes() == before


@pytest.mark.usefixtures("on")
def test_a_message_has_its_marker_once_with_both_instrument_and_the_middleware(rides: RedisRides) -> None:
    rides.broker.add_middleware(SyntheticTrafficMiddleware())
    with working(rides):
        simulated, real = send_from_both(rides.send)
        assert rides.runs(simulated, real) == ["peak", None]
        assert str(rides.handled(simulated).baggage).count("synthetic-traffic=") == 1


@pytest.mark.usefixtures("on")
def test_instrument_covers_a_worker_that_was_made_before(keys: Keys, valkey_port: int) -> None:
    synthetic.uninstrument("dramatiq")
    rides = RedisRides(valkey_port)
    worker = Worker(rides.broker, worker_timeout=10, worker_threads=1)
    synthetic.instrument("dramatiq")
    worker.start()
    try:
        assert rides.runs(*send_from_both(rides.send)) == ["peak", None]
    finally:
        worker.stop()
        rides.broker.close()


IN_AN_ORDER = """
import sys
import synthetic
from tests.products.dramatiq import RedisRides, working
from tests.support import sentry
from tests.support.work import send_from_both

synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {
    "on": lambda: synthetic.instrument("dramatiq"),
    "off": lambda: synthetic.uninstrument("dramatiq"),
    "sentry": lambda: sentry.switch_on("dramatiq.DramatiqIntegration"),
}
for step in sys.argv[2:]:
    steps[step]()
    rides = RedisRides(int(sys.argv[1]))
    with working(rides):
        names = send_from_both(rides.send)
        baggage = str(rides.handled(names[0]).baggage)
        print(baggage.count("synthetic-traffic="), *(rides.handled(name).run for name in names))
"""


@pytest.mark.parametrize("steps", ["sentry on off on", "on sentry off on"])
def test_beside_sentry_each_message_has_its_own_verdict_in_any_order(keys: Keys, valkey_port: int, steps: str) -> None:
    printed = run_script(IN_AN_ORDER, str(valkey_port), *steps.split(), keys=keys).splitlines()
    assert printed == ["1 peak None" if is_on else "0 None None" for is_on in is_on_after(steps.split(), "on", "off")]
