"""A soak: real and simulated tasks with retries, chains and children on the threads of one worker; not one is wrong."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

import pytest
from celery import Celery

import synthetic
from tests.products.celery.workers import Workers, dead_letter, having
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import expired
from tests.support.servers import wait_until
from tests.support.work import work

Keys = dict[str, Any]

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("celery_instrumented")]


class Traffic:
    """Sends mixed tasks, and counts the notes that each must leave."""

    def __init__(self, app: Celery, workers: Workers, keys: Keys, seed: int) -> None:
        self._app, self._notes, self._random = app, workers.notes, random.Random(seed)
        self._late = {"baggage": entry(mint(keys, claims={"run": "late", **expired(3600)}))}
        self._forged = {"baggage": entry(mint(shared_key(keys["keys"][-1]["kid"]), claims={"run": "forged"}))}
        self.due: dict[str, int] = {}
        self.refused: list[str] = []

    def send(self, number: int) -> None:
        run = self._random.choice(["real"] * 5 + [f"run-{n}" for n in range(4)] + ["late", "forged"])
        name = f"soak {number} {run}"
        if run == "forged":
            self.refused.append(self._app.tasks["fails"].apply_async(headers=self._forged).id)
            return
        with self._work(run):
            self.due[name] = self._send(name)

    def _work(self, run: str) -> AbstractContextManager[Any]:
        return synthetic.admitted(self._late) if run == "late" else work(run)

    def _send(self, name: str) -> int:
        """Send one task, which leads to others; return how many notes there will be."""
        tasks, times = self._app.tasks, self._random.randrange(4)
        match self._random.randrange(3):
            case 0:
                tasks["flaky"].delay(name, times)
                return times + 1
            case 1:
                (tasks["flaky"].s(name, times) | tasks["note"].s(name=name)).delay()
                return times + 2
            case _:
                tasks["parent"].delay(name, headers=times > 1)
                return 2

    def wrong(self) -> list[str]:
        """Wait until everything is noted; return what was wrong."""
        for name, count in self.due.items():
            wait_until(lambda name=name, count=count: len(self._notes.all(name)) >= count, seconds=120)  # type: ignore[misc]
        seen = {name: Counter(note.split()[-1] for note in self._notes.all(name)) for name in self.due}
        return [f"{name}: {seen[name]}" for name, count in self.due.items() if seen[name] != {name.split()[-1]: count}]


def test_many_tasks_on_few_threads_have_each_their_own_verdict(
    over_rabbitmq: str, workers: Workers, worker_keys: Keys, long_run: bool
) -> None:
    synthetic.configure(keys=worker_keys)
    settings = having(worker_keys, steps="opentelemetry app ours")
    app = workers.start(over_rabbitmq, "soak", "threads", {**settings, "CONCURRENCY": "8", "PREFETCH": "1000"})
    traffic = Traffic(app, workers, worker_keys, seed=3)
    for number in range(8_000 if long_run else 300):
        traffic.send(number)
    assert traffic.wrong() == []
    dead: set[str] = set()

    def all_are_dead() -> bool:
        while (message := dead_letter(app)) is not None:
            dead.add(message.headers["id"])
        return dead >= set(traffic.refused)

    wait_until(all_are_dead)
