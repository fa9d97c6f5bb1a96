"""A run: wires actors, journeys, health, dial and guardrails into a Locust process.

One process leads: the master, or the only one. It knows the health of all journeys, and looks at the guardrails.
Workers act, and tell it what they count.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import urlsplit

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, Runner, WorkerRunner

import synthetic
from synthetic.integration import internal_hosts
from synthetic_locust._actors import Actors
from synthetic_locust._answers import Answer
from synthetic_locust._counting import Counting
from synthetic_locust._deadman import Deadman
from synthetic_locust._guardrails import guardrails_of
from synthetic_locust._health import Health
from synthetic_locust._janitor import PAUSE as JANITOR_PAUSE
from synthetic_locust._janitor import tidy
from synthetic_locust._journeys import observe
from synthetic_locust._out import naming
from synthetic_locust._preflight import Verdict, ask, broken_marker
from synthetic_locust._reports import Reports
from synthetic_locust._shape import Dial
from synthetic_locust._tally import Tally
from synthetic_locust._target import Target
from synthetic_locust._terminal import Terminal

__all__ = ["GUARDRAIL", "UNHEALTHY", "USAGE", "Drive", "fail"]

_log = logging.getLogger("synthetic.drive")

UNHEALTHY: Final = 1
"""The exit code of a run with a journey that is not healthy at its end."""
USAGE: Final = 2
"""The exit code of a run that must not start like this."""
GUARDRAIL: Final = 3
"""The exit code of a run that a guardrail has stopped."""

_LOOK: Final = 0.5
"""Seconds between two looks at the journeys."""

_TALLY: Final = "synthetic-tally"
_ALARM: Final = "synthetic-alarm"
_TARGET: Final = "synthetic-target"


class Drive:
    """A run of simulated actors against ``target``, in one Locust process."""

    def __init__(self, target: Target, actors: Actors) -> None:
        self.target = target
        self._actors = actors
        self.tally = Tally()
        self.health = Health(target.health, self.tally, time.monotonic())
        self._settings = ExitStack()
        self._environment: Environment | None = None
        self._is_over = False
        self._watchers: list[Callable[[], object]] = []

    @property
    def runner(self) -> Any:
        """Locust's runner of this process."""
        return None if self._environment is None else self._environment.runner

    def begin(self, environment: Environment) -> None:
        """Take over a Locust process whose runner exists, before its first user starts."""
        self._environment = environment
        target = self.target
        if target.host is not None:
            environment.host = target.host
        self._configure()
        for patch in naming():
            patch.put_on()
        counting = Counting(lambda: environment.stats, self.tally, target.traces, self._on_answer)
        observe(counting)
        event: Any = environment.events.request
        event.fire = counting.firing(event.fire)
        environment.events.quitting.add_listener(self._quitting)
        runner: Runner = self.runner
        if isinstance(runner, WorkerRunner):
            self._begin_worker(runner)
        else:
            self._begin_leader(runner)
            self._actors.begin(target.run, target.kind)
        _watch(self._flush_or_look, _LOOK)
        _watch(lambda: tidy(environment.stats), JANITOR_PAUSE)

    def _configure(self) -> None:
        settings: dict[str, Any] = {"undeclared": "refuse"}
        host = urlsplit(self.target.host or self._host_of_users() or "").hostname
        if host is not None:
            settings["internal_hosts"] = [*internal_hosts(), host]
        if self.target.environment is not None:
            settings["environment"] = self.target.environment
        self._settings.enter_context(synthetic.configured(**settings))
        synthetic.instrument()

    def _host_of_users(self) -> str | None:
        environment = self._environment
        assert environment is not None
        return environment.host or next((user.host for user in environment.user_classes if user.host), None)

    # On a worker.

    def _begin_worker(self, runner: WorkerRunner) -> None:
        deadman = Deadman(lambda: runner.user_count > 0, self._stop_worker)
        runner.environment.events.heartbeat_received.add_listener(deadman.hear)
        gevent.spawn(deadman.watch)
        runner.register_message(_TARGET, self._compare)

    def _stop_worker(self, why: str) -> None:
        _log.error("stopped: %s", why)
        self._exit(GUARDRAIL)
        gevent.spawn(self.runner.quit)

    def _compare(self, environment: Any, msg: Any, **_: Any) -> None:
        """Let the actors act if the master's target is this one. They would be marked for another environment."""
        if msg.data == self._facts():
            self._actors.begin(self.target.run, self.target.kind)
        elif not self._is_over:
            self._is_over = True
            self._exit(USAGE)
            _log.error("the master drives %s, and this worker %s. Start both for one target.", msg.data, self._facts())
            gevent.spawn(self.runner.quit)

    def _facts(self) -> dict[str, Any]:
        return {"host": self.target.host, "environment": self.target.environment, "run": self.target.run}

    # On the process that leads.

    def _begin_leader(self, runner: Any) -> None:
        environment = runner.environment
        if isinstance(runner, MasterRunner):
            # Otherwise the actors of a worker that is lost are lost, too.
            vars(environment.parsed_options)["enable_rebalancing"] = True
            runner.register_message(_TALLY, lambda environment, msg, **_: self.tally.add_message(msg.data))
            runner.register_message(_ALARM, lambda environment, msg, **_: self.stop(str(msg.data["why"])))
            # Again and again: a worker that has just connected cannot hear it yet.
            _watch(lambda: runner.send_message(_TARGET, self._facts()), 1.0)
        self._check_services()
        if self.target.dial is not None:
            dial = Dial(self.target.dial, self.target.users, self.end)
            dial.runner = runner
            environment.shape_class = dial
            self._end_after(environment.parsed_options.run_time)
            gevent.spawn(dial.follow)
        self._reports = Reports(self.target, self.health, self.tally)
        self._guardrails = [*guardrails_of(self.target, self.health, self.tally, self._marker)]
        _watch(self._look_at_guardrails, 1.0)
        self._terminal = Terminal(self.health, self.tally, self._headline)
        if environment.web_ui is None:
            self._terminal.show()

    def _end_after(self, seconds: float | None) -> None:
        """End the run after the time of Locust's option -t, which Locust does not look at for a shape."""
        if seconds:
            end = time.monotonic() + seconds
            _watch(lambda: self.end(f"the time of {seconds:g} s is over") if time.monotonic() >= end else None, 0.25)

    def _headline(self) -> str:
        users = self.runner.user_count
        return f"{self.target.run} at {self.runner.environment.host}: {users} actors, {self.tally.requests:,} requests"

    def _marker(self) -> str:
        return broken_marker(self.target.run, self.target.kind)

    def _check_services(self) -> None:
        """Ask every service before the first actor acts. End the process unless each knows markers."""
        host = self.target.host or self._host_of_users()
        if self.target.preflight is None or host is None:
            return
        findings = ask(host, self.target.preflight, self._marker())
        for finding in findings:
            _log.log(logging.INFO if finding.verdict is Verdict.GUARDED else logging.ERROR, "preflight: %s", finding)
        if any(finding.verdict is not Verdict.GUARDED for finding in findings):
            _log.error(
                "no actor acts: its requests could be executed as real. If a service cannot tell whether it knows "
                "markers, set preflight = false for this target, or preflight = [...] to paths that can."
            )
            raise SystemExit(GUARDRAIL)

    def _look_at_guardrails(self) -> None:
        for guardrail in self._guardrails:
            why = guardrail()
            if why is not None:
                return self.stop(why)

    def stop(self, why: str) -> None:
        """Stop the run because of a guardrail: at once, with the exit code for it."""
        if not self._is_over:
            _log.error("stopped by a guardrail: %s", why)
            self._exit(GUARDRAIL)
            self.end(why)

    def end(self, why: str) -> None:
        """End the run as at its regular end. Its exit code is that of the health of its journeys."""
        if not self._is_over:
            self._is_over = True
            _log.info("the run ends: %s", why)
            gevent.spawn(self.runner.quit)

    # On each process.

    def _on_answer(self, answer: Answer, request: str) -> None:
        if answer.refused == "halted":
            self._alarm(f"the run is halted ({request})")
        elif answer.is_unacknowledged and self.target.acknowledge:
            self._alarm(
                f"{request} was answered by a service that does not know markers, so it was executed as real. "
                "If a proxy drops the header Synthetic-Traffic, set acknowledge = false for this target."
            )

    def _alarm(self, why: str) -> None:
        runner = self.runner
        if not isinstance(runner, WorkerRunner):
            return self.stop(why)
        if not self._is_over:
            self._is_over = True
            runner.send_message(_ALARM, {"why": why})
            self._stop_worker(why)
        return None

    def _flush_or_look(self) -> None:
        runner = self.runner
        if isinstance(runner, WorkerRunner):
            counted = self.tally.taken()
            if counted is not None:
                runner.send_message(_TALLY, counted)
        else:
            self._reports.report(self.health.look(time.monotonic(), is_acting=runner.user_count > 0))
            self._terminal.refresh()

    def _exit(self, code: int) -> None:
        if self._environment is not None and self._environment.process_exit_code is None:
            self._environment.process_exit_code = code

    def _quitting(self, **_: Any) -> None:
        """Decide the exit code. A listener of Locust's event ``quitting``: later, Locust decides."""
        if isinstance(self.runner, WorkerRunner):
            self._flush_or_look()
            return
        self._flush_or_look()
        self._terminal.close()
        states = self.health.states()
        if states:
            self._exit(0 if all(state == "healthy" for state in states.values()) else UNHEALTHY)


def _watch(look: Callable[[], object], pause: float) -> None:
    """Look again and again, in a greenlet of its own. An error in one look is logged, and the next one comes."""

    def watch() -> None:
        while True:
            gevent.sleep(pause)
            try:
                look()
            except Exception:
                _log.exception("a look at the run has failed")

    gevent.spawn(watch)


def fail(message: str) -> None:
    """End the process because of wrong use."""
    print(f"synthetic-traffic: {message}", file=sys.stderr)
    raise SystemExit(USAGE)
