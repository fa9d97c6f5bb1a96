"""The process that leads a run: the master, or the only one.

It knows the health of all journeys, follows the dial, and looks at the guardrails.
"""

from __future__ import annotations

import logging
import signal
import time
from functools import partial
from typing import Any, Final, cast

import gevent  # type: ignore[import-untyped]
from locust.runners import MasterRunner

from synthetic_locust._actors import Actors
from synthetic_locust._agreement import MasterSide
from synthetic_locust._ends import GUARDRAIL, UNHEALTHY, USAGE, end_process
from synthetic_locust._guardrails import Guardrail, guardrails_of
from synthetic_locust._health import Health
from synthetic_locust._journeys import declared
from synthetic_locust._preflight import Guarding, ask, broken_marker, hint_of
from synthetic_locust._reports import Reports
from synthetic_locust._shape import Dial
from synthetic_locust._tally import Tally
from synthetic_locust._target import Target
from synthetic_locust._terminal import Terminal
from synthetic_locust._watch import watch
from synthetic_locust._worker import ALARM, TALLY

__all__ = ["Leader"]

_log = logging.getLogger("synthetic.drive")

_LOOK: Final = 0.5
"""Seconds between two looks at the journeys."""

_PATIENCE: Final = 15.0
"""Seconds after which a guardrail that does not answer ends the run."""


class Leader:
    """The part of a run in the process that leads it."""

    def __init__(self, environment: Any, target: Target, tally: Tally, facts: dict[str, Any], actors: Actors) -> None:
        self._environment = environment
        self._runner = environment.runner
        self._target = target
        self._tally = tally
        self._actors = actors
        self._health = Health(target.health, tally, time.monotonic())
        self._reports = Reports(target, self._health, tally)
        self._terminal = Terminal(self._health, tally, self._headline)
        self._is_over = False
        self._has_lost_all = False
        self._was_unhealthy = False
        if isinstance(self._runner, MasterRunner):
            self._lead(facts)
        if target.users is not None:
            self._limit(target.users)

    def begin(self) -> None:
        """Ask the services, and then let the dial and the guardrails work."""
        self._check_services()
        if self._target.dial is not None:
            self._follow(self._target.dial)
        if self._environment.shape_class is not None:
            # Locust installs its own handler only after the shape has ended.
            gevent.signal_handler(signal.SIGTERM, self.end, "it was asked to (SIGTERM)")
        for guardrail in guardrails_of(self._target, self._host(), self._health, self._tally, self._marker):
            watch(lambda guardrail=guardrail: self._look_at(guardrail), 1.0)  # type: ignore[misc]
        watch(self.look, _LOOK)
        if self._environment.web_ui is None:
            self._terminal.show()

    def alarm(self, why: str) -> None:
        """Stop the run because of a guardrail: at once, with the exit code for it."""
        if not self._is_over:
            self._actors.close()
            self._end(f"stopped by a guardrail: {why}", logging.ERROR, GUARDRAIL)

    def end(self, why: str) -> None:
        """End the run. The health of its journeys decides the exit code."""
        if not self._is_over:
            self._end(f"the run ends: {why}", logging.INFO, None)

    def look(self) -> None:
        """Look at the journeys, and report what has changed."""
        is_wanted = self._runner.target_user_count > 0 and not self._is_over
        changes = self._health.look(time.monotonic(), is_acting=is_wanted)
        self._was_unhealthy = self._was_unhealthy or any(change.state in ("failing", "stale") for change in changes)
        self._reports.report(changes)
        self._terminal.refresh()

    def quitting(self, **_: Any) -> None:
        """Decide the exit code."""
        self._reports.report(self._health.look(time.monotonic(), is_acting=False))
        self._terminal.close()
        if self._environment.process_exit_code in (GUARDRAIL, USAGE):
            return
        states = self._health.states()
        if states or declared:
            self._environment.process_exit_code = 0 if self._is_healthy(states) else UNHEALTHY

    def _is_healthy(self, states: dict[str, Any]) -> bool:
        """Whether every journey is healthy; in a run for a certain time, which is a gate, whether it always was."""
        if self._has_lost_all or not states or (self._environment.parsed_options.run_time and self._was_unhealthy):
            return False
        return all(state == "healthy" for state in states.values())

    def _end(self, text: str, level: int, code: int | None) -> None:
        self._is_over = True
        _log.log(level, "%s", text)
        end_process(self._environment, code, partial(self._reports.report_end, text, is_guardrail=code is not None))

    def _lead(self, facts: dict[str, Any]) -> None:
        runner = self._runner
        # Otherwise the actors of a worker that is lost are lost, too.
        vars(self._environment.parsed_options)["enable_rebalancing"] = True
        watch(MasterSide(runner, facts).look, 1.0)
        runner.register_message(TALLY, self._hear_tally)
        runner.register_message(ALARM, self._hear_alarm)
        stop = runner.stop

        def stop_noting(*args: Any, **kwargs: Any) -> Any:
            if not self._is_over and runner.worker_count <= 0 and runner.state in ("running", "spawning"):
                self._has_lost_all = True
                self.end("all workers are lost")
            return stop(*args, **kwargs)

        runner.stop = stop_noting

    def _limit(self, most: int) -> None:
        """Start no more users than the ceiling, whoever asks for them: options, the dial, a shape, the web page."""
        start = self._runner.start

        def start_limited(user_count: int, *args: Any, **kwargs: Any) -> Any:
            if self._is_over:
                return None
            if user_count > most:
                _log.warning("%d users were asked for; users = %d is the ceiling", user_count, most)
            return start(min(user_count, most), *args, **kwargs)

        self._runner.start = start_limited

    def _hear_tally(self, msg: Any, **_: Any) -> None:
        self._tally.add_message(msg.data)

    def _hear_alarm(self, msg: Any, **_: Any) -> None:
        self.alarm(str(msg.data["why"]))

    def _headline(self) -> str:
        users = self._runner.user_count
        return f"{self._target.run} at {self._environment.host}: {users} actors, {self._tally.requests:,} requests"

    def _marker(self) -> str:
        return broken_marker(self._target.run, self._target.kind)

    def _host(self) -> str | None:
        users = self._environment.user_classes
        found: str | None = self._environment.host or next((user.host for user in users if user.host), None)
        return found

    def _check_services(self) -> None:
        """Ask every service before the first actor acts. End the process unless each knows markers."""
        host = self._host()
        if self._target.preflight is None or host is None:
            return
        findings = ask(host, self._target.preflight, self._marker())
        for finding in findings:
            is_good = finding.guarding is Guarding.GUARDED
            _log.log(logging.INFO if is_good else logging.ERROR, "preflight: %s", finding)
        bad = {finding.guarding for finding in findings} - {Guarding.GUARDED}
        if bad:
            for guarding in sorted(bad, key=lambda one: one.value):
                _log.error("no actor acts: %s", hint_of(guarding))
            raise SystemExit(GUARDRAIL)

    def _follow(self, source: str) -> None:
        environment = self._environment
        if environment.shape_class is not None:
            _log.warning("the dial replaces the shape %s", type(environment.shape_class).__name__)
        dial: Any = Dial(source, self._target.users, self.end)
        dial.runner = self._runner
        environment.shape_class = dial
        gevent.spawn(dial.follow)
        seconds = environment.parsed_options.run_time
        if seconds:  # Locust does not look at it where there is a shape
            gevent.spawn_later(seconds, self.end, "its time (--run-time) is over")

    def _look_at(self, guardrail: Guardrail) -> None:
        why: str | None = f"a guardrail did not answer within {_PATIENCE:g} s"
        with gevent.Timeout(_PATIENCE, cast("Any", False)):
            why = guardrail()
        if why is not None:
            self.alarm(why)
