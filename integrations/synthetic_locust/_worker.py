"""A worker: it acts as its master says, and tells it what it has counted."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Final

import gevent  # type: ignore[import-untyped]

from synthetic_locust._actors import Actors
from synthetic_locust._agreement import WorkerSide
from synthetic_locust._deadman import Deadman
from synthetic_locust._ends import GUARDRAIL, USAGE, end_process
from synthetic_locust._tally import Tally
from synthetic_locust._watch import watch

__all__ = ["ALARM", "TALLY", "Worker"]

_log = logging.getLogger("synthetic.drive")

TALLY: Final = "synthetic-tally"
"""The message with what a worker has counted."""

ALARM: Final = "synthetic-alarm"
"""The message that ends the run."""

_LOOK: Final = 0.5


class Worker:
    """The part of a run in a worker's process. ``agreed`` is called once its actors may act."""

    def __init__(self, environment: Any, tally: Tally, facts: dict[str, Any], actors: Actors, agreed: Any) -> None:
        self._environment = environment
        self._runner = environment.runner
        self._tally = tally
        self._actors = actors
        self._is_over = False
        deadman = Deadman(lambda: self._runner.user_count > 0, self._stop)
        environment.events.heartbeat_received.add_listener(deadman.hear)
        gevent.spawn(deadman.watch)
        agreement = WorkerSide(self._runner, facts, agreed, self._leave)
        agreement.look()
        watch(agreement.look, 1.0)
        watch(self.flush, _LOOK)

    def alarm(self, why: str) -> None:
        """Stop the actors here at once, and then the run."""
        self._stop(why, is_told=True)

    def flush(self) -> None:
        """Tell the master what was counted since the last time."""
        counted = self._tally.taken()
        if counted is not None:
            self._runner.send_message(TALLY, counted)

    def quitting(self, **_: Any) -> None:
        """Tell the rest."""
        self.flush()

    def _stop(self, why: str, *, is_told: bool = False) -> None:
        if not self._is_over:
            self._is_over = True
            self._actors.close()
            _log.error("stopped: %s", why)
            end_process(self._environment, GUARDRAIL, partial(self._tell, why) if is_told else _nothing)

    def _tell(self, why: str) -> None:
        try:
            self._runner.send_message(ALARM, {"why": why})
        except Exception as error:  # the dead-man and the master's own guardrails are left
            _log.error("the master does not hear the alarm: %r", error)

    def _leave(self, why: str) -> None:
        if not self._is_over:
            self._is_over = True
            _log.error("no actor acts here: %s", why)
            end_process(self._environment, USAGE, _nothing)


def _nothing() -> None:
    """Do nothing first."""
