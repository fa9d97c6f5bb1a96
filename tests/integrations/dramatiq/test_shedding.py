"""``shed="auto"`` in a worker of dramatiq: a simulated message that has no place is enqueued again for later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from tests.products.dramatiq import RabbitmqRides, RedisRides, Rides, with_middleware, working
from tests.support.servers import wait_until
from tests.support.shedding import places, unhurried
from tests.support.work import new_name

Keys = dict[str, Any]


@pytest.fixture(params=["valkey_port", "rabbitmq_port"])
def rides(request: pytest.FixtureRequest, keys: Keys) -> Iterator[Rides]:
    port = request.getfixturevalue(request.param)
    synthetic.configure(keys=keys, shed="auto")
    with unhurried():
        yield RedisRides(port) if request.param == "valkey_port" else RabbitmqRides(port)


@pytest.fixture(params=["instrumented", "explicit", "both"])
def covered(request: pytest.FixtureRequest, rides: Rides) -> Rides:
    if request.param != "explicit":
        request.getfixturevalue("instrumented")
    return rides if request.param == "instrumented" else with_middleware(rides)


@pytest.mark.parametrize("fails", [False, True])
def test_a_second_simulated_message_comes_later_and_a_real_one_at_once(
    covered: Rides, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    rides = covered
    monkeypatch.setattr("synthetic_dramatiq._refusal.LATER_AFTER", 0.05)
    gate, begun, seen = threading.Event(), threading.Event(), []

    def drive(name: str) -> None:
        marker = synthetic.current()
        seen.append((name, marker and marker.run))
        if name == "first":
            begun.set()
            assert gate.wait(60)
            if fails:
                raise LookupError(name)

    actor = rides.actor(drive, f"drive-{new_name()}", max_retries=0)
    with working(rides):
        with synthetic.simulated(run="peak"):
            actor.send("first")
            assert begun.wait(60)
            with synthetic.ledger.recorded() as refused:
                actor.send("second")
                wait_until(lambda: len(refused) >= 2)  # it came again, and again
        with synthetic.real():
            actor.send("real")
        wait_until(lambda: len(seen) == 2)
        assert seen == [("first", "peak"), ("real", None)]
        gate.set()
        wait_until(lambda: len(seen) == 3)
        wait_until(lambda: not places())
        assert seen[2] == ("second", "peak")
        wait_until(lambda: len(rides.dead_letters()) == fails)  # the one that failed
