"""How a run ends: its exit codes, and an end that comes whatever Locust is doing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Final

import gevent  # type: ignore[import-untyped]
from gevent.monkey import get_original  # type: ignore[import-untyped]

from synthetic.integration import without_verdict

__all__ = ["GUARDRAIL", "UNHEALTHY", "USAGE", "end_process"]

_start_thread: Any = get_original("_thread", "start_new_thread")
_sleep: Any = get_original("time", "sleep")
UNHEALTHY: Final = 1
"""The exit code of a run with a journey that was not healthy."""

USAGE: Final = 2
"""The exit code of a run that must not start like this."""

GUARDRAIL: Final = 3
"""The exit code of a run that a guardrail has stopped."""

_PATIENCE: Final = 15.0
"""Seconds for the regular end. Locust waits for ever for a user that cannot be stopped."""

_LATE: Final = b"synthetic-traffic: the actors do not stop, so the process ends without them\n"


def end_process(environment: Any, code: int | None, first: Callable[[], object]) -> None:
    """Call ``first``, stop all actors, and end the process as Locust does, with its reports.

    ``code`` is the exit code; None leaves it to the listeners of Locust's event ``quitting``. An actor may call this:
    its own greenlet may end meanwhile.
    """
    if code is not None:
        environment.process_exit_code = code
    without_verdict(gevent.spawn, _end, environment, first)
    # A thread of the system: an actor that never waits lets no greenlet run.
    _start_thread(_end_at_last, (environment,))


def _end(environment: Any, first: Callable[[], object]) -> None:
    first()
    runner = environment.runner
    has_begun = runner.state != "ready" or runner.shape_greenlet is not None
    runner.quit()
    if environment.web_ui is not None:
        environment.web_ui.stop()
    elif not has_begun and not hasattr(runner, "worker_state"):
        # Locust waits in its main greenlet, for workers, and would go on to start actors.
        environment.events.quitting.fire(environment=environment, reverse=True)
        code = environment.process_exit_code or 0
        main: Any = gevent.get_hub().parent
        gevent.spawn(main.throw, SystemExit(code))


def _end_at_last(environment: Any) -> None:
    _sleep(_PATIENCE)
    # Not through logging, whose locks belong to greenlets.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, _LATE)
    code = environment.process_exit_code
    os._exit(GUARDRAIL if code is None else code)
