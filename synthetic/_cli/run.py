"""``synthetic-traffic run``: run the users of a Locust file as simulated actors."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from synthetic._cli.printed import complain
from synthetic._config.sources import table_in_file

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Run the command. Locust ends the process with its exit code."""
    if find_spec("locust") is None:
        complain("this command needs Locust. Install it: pip install 'synthetic-traffic[locust]'")
        return 2
    # A test suite that has this for its own process may start a run: Locust would not hear of its workers.
    os.environ.pop("LOCUST_SKIP_MONKEY_PATCH", None)
    from synthetic_locust._plugin import install
    from synthetic_locust._target import Target, read_target

    target: Target | None = None
    if options.target is not None:
        target = read_target(options.target, table_in_file("drive"))
        _set_defaults(target)
    os.environ.setdefault("LOCUST_HEADLESS", "true")
    os.environ.setdefault("LOCUST_ONLY_SUMMARY", "true")  # the journeys are shown instead
    install(target)
    sys.argv = ["synthetic-traffic run", "-f", options.file, *options.locust]
    locust: Any = import_module("locust.main")
    locust.main()
    return 0


def _set_defaults(target: Any) -> None:
    """Give Locust the values of a target as defaults, which its own options can change."""
    for variable, value in (
        ("LOCUST_HOST", target.host),
        ("LOCUST_USERS", target.users),
        ("LOCUST_SPAWN_RATE", target.rate),
    ):
        if value is not None:
            os.environ.setdefault(variable, str(value))
