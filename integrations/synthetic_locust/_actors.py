"""Actors: each user of a Locust process lives as simulated work, whatever its class."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from functools import wraps
from typing import Any, Final

import gevent  # type: ignore[import-untyped]
import gevent.event  # type: ignore[import-untyped]
from locust import User
from locust.exception import RescheduleTask, StopTest, StopUser
from locust.user.task import LOCUST_STATE_STOPPING

import synthetic
from synthetic.integration import IsOn, Patch, Simulated, current_verdict

__all__ = ["Actors", "as_name"]

_log = logging.getLogger("synthetic.drive")

_LONGEST_PAUSE: Final = 30.0
"""Seconds before an actor whose start fails again and again tries once more."""

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._:-]+")


class Actors:
    """Marks every user that starts while this is on. None of them acts before ``open`` was called."""

    def __init__(self) -> None:
        self._run = ""
        self._kind: Any = "simulation"
        self._gate = gevent.event.Event()
        self._taken: defaultdict[str, set[int]] = defaultdict(set)
        """The numbers of the actors that act, by the name of their class. A number that is free again is given to the
        next one, so that a run has no more actors than act at a time."""
        self._acting: dict[Any, Simulated] = {}
        self._is_closed = False
        self._start = Patch(User, "start", self._starting)

    def put_on(self) -> None:
        """Mark every user from now on."""
        self._start.put_on()

    def take_off(self) -> None:
        """Mark no user any more."""
        self._start.take_off()

    def open(self, run: str, kind: Any) -> None:
        """Let the users act. ``run`` and ``kind`` are those of their markers."""
        self._run, self._kind = run, kind
        self._gate.set()

    def close(self) -> None:
        """Stop all actors on the spot: nothing that they would still send leaves, also at their end.

        Locust stops a user when it next waits, and then lets it finish. Until then it would go on to send.
        """
        self._is_closed = True
        for greenlet, verdict in list(self._acting.items()):
            verdict.spend()
            greenlet.kill(block=False)

    def _starting(self, original: Any, is_on: IsOn) -> Any:
        """Wrap ``User.start``, which begins the user's greenlet. Subclasses may have their own ``run``."""

        @wraps(original)
        def start(user: Any, *args: Any, **kwargs: Any) -> Any:
            if is_on():
                run, on_start = user.run, user.on_start
                user.run = lambda: self._act(user, run)
                user.on_start = lambda: _start_at_last(user, on_start)
            return original(user, *args, **kwargs)

        return start

    def _act(self, user: Any, run: Any) -> None:
        self._gate.wait()
        if self._is_closed:
            return
        scenario = as_name(type(user).__name__)[:40]
        taken = self._taken[scenario]
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        taken.add(number)
        actor = f"{scenario.lower()}-{_index_of_worker(user)}-{number}"
        try:
            with synthetic.simulated(run=self._run, kind=self._kind, actor=actor, scenario=scenario):
                verdict = current_verdict()
                assert isinstance(verdict, Simulated)
                self._acting[gevent.getcurrent()] = verdict
                run()
        finally:
            self._acting.pop(gevent.getcurrent(), None)
            taken.discard(number)


def as_name(text: str) -> str:
    """Return a text as a name that a marker may have."""
    return _NO_NAME.sub("-", text)[:64] or "-"


def _index_of_worker(user: Any) -> int:
    return max(0, getattr(user.environment.runner, "worker_index", 0))


def _start_at_last(user: Any, on_start: Any) -> None:
    """Call ``on_start`` until it goes through. If a service is being restarted, Locust would lose the user for good."""
    pause = 1.0
    while True:
        try:
            on_start()
            return
        except (StopUser, StopTest):
            raise
        except RescheduleTask:
            pass  # a journey in it has failed, which was counted
        except Exception as error:
            _log.warning("%s failed to start, and tries again in %g s: %r", type(user).__name__, pause, error)
        gevent.sleep(pause)
        if user._state == LOCUST_STATE_STOPPING:
            raise StopUser
        pause = min(pause * 2, _LONGEST_PAUSE)
