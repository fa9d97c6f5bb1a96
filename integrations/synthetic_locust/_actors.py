"""Actors: each user of a Locust process lives as simulated work, whatever its class."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from functools import wraps
from typing import Any, Final

import gevent
from gevent.event import AsyncResult
from locust import User
from locust.exception import RescheduleTask, StopTest, StopUser

import synthetic
from synthetic.integration import IsOn, Patch

__all__ = ["Actors", "as_name"]

_log = logging.getLogger("synthetic.drive")

_LONGEST_PAUSE: Final = 30.0
"""Seconds before an actor whose start fails again and again tries once more."""

_PATIENCE: Final = 10.0
"""Seconds that an actor waits in silence until it may act."""

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._:-]+")


class Actors:
    """Marks the users that start while this is on. None of them acts before ``begin``: a worker whose master is at
    work already may be told to start users before Locust's event ``init``, and before it has heard of the target.
    """

    def __init__(self) -> None:
        self._markers: Any = AsyncResult()
        """What the markers of all actors have in common."""
        self._taken: defaultdict[str, set[int]] = defaultdict(set)
        """The numbers of the actors that act, by the name of their class. A number that is free again is given to the
        next one, so that a run has no more actors than act at a time."""
        self._start = Patch(User, "start", self._starting)

    def put_on(self) -> None:
        """Let no user start from now on but as an actor."""
        self._start.put_on()

    def begin(self, run: str, kind: str) -> None:
        """Let the actors act, with markers of this run and kind."""
        self._markers.set({"run": run, "kind": kind})

    def _wait(self) -> dict[str, Any]:
        if not self._markers.wait(timeout=_PATIENCE):
            _log.warning("no actor acts yet: Locust's event init was not fired here, or the master has not been heard")
        markers: dict[str, Any] = self._markers.get()
        return markers

    def _starting(self, original: Any, is_on: IsOn) -> Any:
        """Wrap ``User.start``, which begins the user's greenlet. Subclasses may have their own ``run``."""

        @wraps(original)
        def start(user: Any, *args: Any, **kwargs: Any) -> Any:
            if is_on():
                run = user.run
                user.run = lambda: self._act(user, run)
            return original(user, *args, **kwargs)

        return start

    def _act(self, user: Any, run: Any) -> None:
        markers = self._wait()
        scenario = as_name(type(user).__name__)[:40]
        taken = self._taken[scenario]
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        taken.add(number)
        actor = f"{scenario.lower()}-{_index_of_worker(user)}-{number}"
        try:
            with synthetic.simulated(**markers, actor=actor, scenario=scenario):
                _live(user, run)
        finally:
            taken.discard(number)


def as_name(text: str) -> str:
    """Return a text as a name that a marker may have."""
    return _NO_NAME.sub("-", text)[:64] or "-"


def _index_of_worker(user: Any) -> int:
    return max(0, getattr(user.environment.runner, "worker_index", 0))


def _live(user: Any, run: Any) -> None:
    """Run a user. If its start fails, because a service is being restarted, it tries again; Locust would lose it."""
    pause = 1.0
    while True:
        try:
            return run()
        except (StopUser, StopTest):
            raise
        except RescheduleTask:
            pass  # a journey in on_start has failed
        except Exception as error:
            _log.warning("%s failed to start, and tries again in %g s: %r", type(user).__name__, pause, error)
        gevent.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
