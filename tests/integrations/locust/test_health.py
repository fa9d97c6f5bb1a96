"""The health of a journey, by a clock of the test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic_locust._health import Health
from synthetic_locust._tally import Ended, Tally
from synthetic_locust._target import HealthRule

RULE = HealthRule(window=60, minimum=3, ratio=0.95, fresh=60)


class Watch:
    """The health of the journey ``ride``, and a clock."""

    def __init__(self, rule: HealthRule = RULE) -> None:
        self.tally = Tally()
        self.health = Health(rule, self.tally, 0.0)
        self.tally.begin("ride")

    def end(self, completed: int = 0, failed: int = 0, shed: int = 0) -> None:
        for _ in range(completed):
            self.tally.add(Ended("ride", "completed"))
        for _ in range(failed):
            self.tally.add(Ended("ride", "failed", "book", "HTTP 502", "abc"))
        for _ in range(shed):
            self.tally.add(Ended("ride", "shed", "book", "shed"))

    def at(self, now: float, **how: bool) -> str:
        self.changes = self.health.look(now, **how)
        return self.health.states()["ride"]


def test_a_journey_is_unknown_until_one_has_completed() -> None:
    watch = Watch()
    assert watch.at(1) == "unknown"
    watch.end(completed=1)
    assert watch.at(2) == "healthy"
    (change,) = watch.changes
    assert str(change) == "ride is healthy, was unknown (1 completed, 0 failed)"


def test_a_journey_is_failing_when_too_few_of_the_window_completed() -> None:
    watch = Watch()
    watch.end(completed=20)
    assert watch.at(1) == "healthy"
    watch.end(failed=1)
    assert watch.at(2) == "healthy"  # 20 of 21
    watch.end(failed=1)
    assert watch.at(3) == "failing"  # 20 of 22
    (change,) = watch.changes
    assert str(change) == "ride is failing at book: HTTP 502 (20 completed, 2 failed, trace abc)"


def test_fewer_than_the_minimum_do_not_make_a_journey_failing() -> None:
    watch = Watch()
    watch.end(failed=2)
    assert watch.at(1) == "unknown"
    watch.end(failed=1)
    assert watch.at(2) == "failing"


def test_failures_leave_with_the_window() -> None:
    watch = Watch()
    watch.end(failed=3)
    assert watch.at(1) == "failing"
    watch.end(completed=1)
    assert watch.at(50) == "failing"
    watch.end(completed=1)
    assert watch.at(62) == "healthy"


def test_a_journey_is_stale_when_none_completes_any_more() -> None:
    watch = Watch()
    watch.end(completed=5)
    assert watch.at(1) == "healthy"
    assert watch.at(61) == "healthy"
    assert watch.at(62) == "stale"
    watch.end(completed=1)
    assert watch.at(63) == "healthy"


def test_a_journey_that_never_ends_becomes_stale() -> None:
    watch = Watch()
    assert watch.at(0) == "unknown"
    assert watch.at(60) == "unknown"
    assert watch.at(61) == "stale"


def test_a_journey_that_first_begins_late_is_not_stale_at_once() -> None:
    watch = Watch()
    assert watch.at(500) == "unknown"
    assert watch.at(560) == "unknown"
    assert watch.at(561) == "stale"


def test_shed_journeys_are_not_counted_but_make_it_stale() -> None:
    watch = Watch()
    watch.end(shed=100)
    assert watch.at(1) == "unknown"
    watch.end(shed=100)
    assert watch.at(62) == "stale"


def test_no_journey_becomes_stale_while_nobody_acts() -> None:
    watch = Watch()
    watch.end(completed=1)
    assert watch.at(1) == "healthy"
    assert watch.at(500, is_acting=False) == "healthy"
    assert watch.at(559) == "healthy"
    assert watch.at(561) == "stale"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0.1, 100)), max_size=40))
def test_the_state_is_that_of_the_definition(rounds: list[tuple[int, int, float]]) -> None:
    watch = Watch()
    now, history, completed_at = 0.0, [(0.0, 0, 0)], 0.0
    completed = failed = 0
    for more, bad, pause in rounds:
        now += pause
        watch.end(completed=more, failed=bad)
        completed, failed = completed + more, failed + bad
        completed_at = now if more or len(history) == 1 else completed_at
        history.append((now, completed, failed))
        state = watch.at(now)
        base = [seen for seen in history if seen[0] <= now - RULE.window] or history[:1]
        good, wrong = completed - base[-1][1], failed - base[-1][2]
        if good + wrong >= 3 and good < 0.95 * (good + wrong):
            assert state == "failing"
        elif now - completed_at > RULE.fresh:
            assert state == "stale"
        elif good:
            assert state == "healthy"


def test_what_workers_count_is_added_up() -> None:
    master, worker = Tally(), Tally()
    assert worker.taken() is None
    for _ in range(2):
        worker.begin("ride")
        worker.add(Ended("ride", "completed"))
        worker.add(Ended("ride", "failed", "book", "HTTP 502", "abc"))
        worker.requests += 7
        message = worker.taken()
        assert message is not None
        master.add_message(message)
    assert worker.taken() is None
    assert (master.of("ride", "completed"), master.of("ride", "failed"), master.requests) == (2, 2, 14)
    assert str(master.failures["ride"]) == "ride at book: HTTP 502"
    assert master.journeys() == ["ride"]


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_the_ratio_may_be_at_its_ends(ratio: float) -> None:
    watch = Watch(HealthRule(ratio=ratio))
    watch.end(completed=99, failed=1)
    assert watch.at(1) == ("healthy" if ratio == 0 else "failing")
