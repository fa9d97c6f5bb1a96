"""How a run ends: its exit codes, and an end that comes whatever Locust is doing."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, Final

import gevent  # type: ignore[import-untyped]

__all__ = ["GUARDRAIL", "UNHEALTHY", "USAGE", "end_process"]

_log = logging.getLogger("synthetic.drive")

UNHEALTHY: Final = 1
"""The exit code of a run with a journey that was not healthy."""

USAGE: Final = 2
"""The exit code of a run that must not start like this."""

GUARDRAIL: Final = 3
"""The exit code of a run that a guardrail has stopped."""

_PATIENCE: Final = 10.0
"""Seconds for the regular end. Locust waits for ever for a user that cannot be stopped."""


def end_process(environment: Any, code: int | None) -> None:
    """Stop all actors, and end the process as Locust does, with its reports; at the latest after ``_PATIENCE``.

    ``code`` is the exit code; None leaves it to the listeners of Locust's event ``quitting``.
    """
    if code is not None:
        environment.process_exit_code = code
    gevent.spawn(_end, environment)
    gevent.spawn_later(_PATIENCE, _end_at_last, environment)


def _end(environment: Any) -> None:
    runner = environment.runner
    has_begun = runner.state != "ready" or runner.shape_greenlet is not None
    runner.quit()
    if environment.web_ui is not None:
        environment.web_ui.stop()
    elif not has_begun and not hasattr(runner, "worker_state"):
        # Locust waits in its main greenlet, for workers, and would go on to start actors.
        code = environment.process_exit_code or 0
        main: Any = gevent.get_hub().parent
        gevent.spawn(main.throw, SystemExit(code))


def _end_at_last(environment: Any) -> None:
    _log.error("the actors do not stop, so the process ends without them")
    logging.shutdown()
    sys.stdout.flush()
    code = environment.process_exit_code
    os._exit(GUARDRAIL if code is None else code)
