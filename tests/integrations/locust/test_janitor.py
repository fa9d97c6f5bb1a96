"""The statistics of a run that goes on for weeks, by a clock of the test."""

from __future__ import annotations

import gc
import tracemalloc
from types import SimpleNamespace
from typing import Any

import locust.stats
import pytest
from locust.stats import RequestStats, StatsError

from synthetic_locust import _janitor
from synthetic_locust._janitor import tidy

NAMES = [f"ride: step-{number}" for number in range(10)]


class Clock:
    """The time for Locust's statistics and for the janitor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        clock = SimpleNamespace(time=lambda: self.now)
        monkeypatch.setattr(locust.stats, "time", clock)
        monkeypatch.setattr(_janitor, "time", clock)


def report(stats: RequestStats, now: float) -> None:
    """Add what a worker reports of three seconds, 20 requests a second."""
    for name in NAMES:
        entry = stats.get(name, "GET")
        for second in range(3):
            at = int(now) - second
            entry.num_reqs_per_sec[at] += 2
            stats.total.num_reqs_per_sec[at] += 2
        entry.log(50, 10)
        stats.total.log(50, 10)


def hours_of(stats: RequestStats, clock: Clock, hours: int) -> list[int]:
    """Let hours pass. Return the bytes that are allocated after each."""
    allocated: list[int] = []
    runner: Any = SimpleNamespace(stats=stats, user_count=10)
    for tick in range(hours * 1200):
        clock.now += 3
        report(stats, clock.now)
        if tick % 2 == 0:
            locust.stats.update_stats_history(runner)
        if tick % 20 == 0:
            tidy(stats)
        if tick % 1200 == 1199:
            gc.collect()
            allocated.append(tracemalloc.get_traced_memory()[0])
    return allocated


def test_the_statistics_of_a_master_are_flat_after_the_first_hour(
    monkeypatch: pytest.MonkeyPatch, long_run: bool
) -> None:
    clock = Clock(monkeypatch)
    stats = RequestStats()
    tracemalloc.start()
    try:
        allocated = hours_of(stats, clock, 24 if long_run else 6)
    finally:
        tracemalloc.stop()
    # At most 0.2 MB an hour, from the end of the second on: until then, the charts fill.
    assert (allocated[-1] - allocated[1]) / (len(allocated) - 2) < 200_000
    assert len(stats.total.num_reqs_per_sec) <= 661
    assert len(stats.history) <= 731


def test_what_locust_looks_back_at_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    stats = RequestStats()
    hours_of(stats, clock, 1)
    before = stats.total.current_rps, stats.total.num_requests, stats.get(NAMES[0], "GET").current_rps
    tidy(stats)
    assert (stats.total.current_rps, stats.total.num_requests, stats.get(NAMES[0], "GET").current_rps) == before
    assert before[0] > 0


def test_the_oldest_of_very_many_errors_go() -> None:
    stats = RequestStats()
    for number in range(2000):
        stats.errors[str(number)] = StatsError("GET", "ride", f"error {number}")
    tidy(stats)
    assert list(stats.errors) == [str(number) for number in range(1500, 2000)]
