"""What goes wrong during the hours: one thing at a time, and each is mended."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.products.locust.runs import Run, Runs, Service

_ACTORS = Path(__file__).with_name("actors.py")


class Trouble:
    """Breaks things of a run, by chance. The master and its first worker stay: their memory is what is looked at."""

    def __init__(self, service: Service, runs: Runs, workers: list[Run], seed: int) -> None:
        self._service = service
        self._runs = runs
        self._workers = workers
        self._random = random.Random(seed)
        self.counts: dict[str, int] = {}
        self.marked = 0
        """What had arrived at the services that were killed since."""

    def make(self, users: int) -> None:
        """Let one thing go wrong, and mend it."""
        kinds: list[tuple[str, Callable[[], None]]] = [
            ("worker killed", self._kill_worker),
            ("worker held up", self._hold_worker),
            ("service killed", self._restart_service),
            ("payments broken", self._break_payments),
            ("dial turned", lambda: self._turn(users)),
        ]
        name, act = self._random.choice(kinds)
        act()
        self.counts[name] = self.counts.get(name, 0) + 1

    def _kill_worker(self) -> None:
        at = self._random.randrange(1, len(self._workers))
        self._workers[at].kill()
        self._workers[at].exit_code()
        self._workers[at] = self._runs.worker(str(_ACTORS))

    def _hold_worker(self) -> None:
        worker = self._workers[self._random.randrange(1, len(self._workers))]
        worker.kill(signal.SIGSTOP)
        time.sleep(2)
        worker.kill(signal.SIGCONT)

    def _restart_service(self) -> None:
        self.marked += self._service.sink()["marked"]
        self._service.end()
        self._service.start()

    def _break_payments(self) -> None:
        self._service.behave(finish=502)
        time.sleep(20)
        self._service.behave(finish=200)

    def _turn(self, users: int) -> None:
        self._runs.turn(self._random.randrange(0, users + 1), seconds=3600)
        time.sleep(10)
        self._runs.turn(users, seconds=3600)
