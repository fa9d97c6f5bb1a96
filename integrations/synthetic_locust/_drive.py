"""A run: wires actors, journeys, health, dial and guardrails into a Locust process."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from locust.runners import WorkerRunner

import synthetic
from synthetic.errors import ConfigurationError
from synthetic.integration import internal_hosts
from synthetic_locust._actors import Actors
from synthetic_locust._answers import Answer
from synthetic_locust._counting import Counting
from synthetic_locust._janitor import PAUSE, tidy
from synthetic_locust._journeys import observe
from synthetic_locust._leader import Leader
from synthetic_locust._out import naming, noticing
from synthetic_locust._preflight import broken_marker
from synthetic_locust._tally import Tally
from synthetic_locust._target import Target
from synthetic_locust._uncovered import uncovered
from synthetic_locust._watch import watch
from synthetic_locust._worker import Worker

__all__ = ["Drive"]


class Drive:
    """A run of simulated actors against ``target``, in one Locust process. ``actors`` waits for ``begin``.

    The settings of the run stay in force until ``settings`` is closed, or is there no more.
    """

    def __init__(self, target: Target, actors: Actors, settings: ExitStack) -> None:
        self._target = target
        self._actors = actors
        self._settings = settings

    def begin(self, environment: Any) -> None:
        """Take over a Locust process whose runner exists, before its first user acts. Raises ConfigurationError."""
        target, tally = self._target, Tally()
        if target.host is not None:
            environment.host = target.host
        self._check(environment)
        self._configure(environment)
        broken_marker(target.run, target.kind)  # an error now, if no key can sign, and not one for each actor
        facts = {"host": target.host, "environment": target.environment, "run": target.run, "kind": target.kind}
        part: Leader | Worker
        if isinstance(environment.runner, WorkerRunner):
            part = Worker(environment, tally, facts, self._actors, self._open)
        else:
            part = leader = Leader(environment, target, tally, facts, self._actors)
            leader.begin()
            self._open()
        counting = Counting(lambda: environment.stats, tally, target.traces, self._on_answer(part))
        observe(counting)
        event: Any = environment.events.request
        event.fire = counting.firing(event.fire)
        # The first listener is called last: nobody overrules the exit code of a guardrail.
        environment.events.quitting._handlers.insert(0, part.quitting)
        looking = noticing(self._on_unacknowledged(part)) if target.acknowledge else ()
        for patch in (*naming(), *looking):
            patch.put_on()
        watch(lambda: tidy(environment.stats), PAUSE)

    def _open(self) -> None:
        self._actors.open(self._target.run, self._target.kind)

    def _check(self, environment: Any) -> None:
        without = sorted(kind.__name__ for kind in environment.user_classes if uncovered(kind))
        if without and not self._target.uncovered:
            raise ConfigurationError(
                f"what {', '.join(without)} sends carries no marker, so it would be executed as real. Leave these "
                "users out, or set uncovered = true for this target if nothing real can come of them."
            )

    def _configure(self, environment: Any) -> None:
        settings: dict[str, Any] = {}
        host = environment.host or next((user.host for user in environment.user_classes if user.host), None)
        name = urlsplit(host or "").hostname
        if name is not None:
            settings["internal_hosts"] = [*internal_hosts(), name]
        if self._target.environment is not None:
            settings["environment"] = self._target.environment
        # ``undeclared`` once more: the file may have called configure().
        self._settings.enter_context(synthetic.configured(undeclared="refuse", **settings))
        synthetic.instrument()

    def _on_answer(self, part: Leader | Worker) -> Any:
        def on_answer(answer: Answer, request: str) -> None:
            if answer.refused == "halted":
                part.alarm(f"the run is halted ({request})")

        return on_answer

    def _on_unacknowledged(self, part: Leader | Worker) -> Any:
        def on_unacknowledged(request: str) -> None:
            part.alarm(
                f"{request} was answered by a service that does not know markers, so it was executed as real. If "
                "a proxy drops the header Synthetic-Traffic, set acknowledge = false for this target."
            )

        return on_unacknowledged
