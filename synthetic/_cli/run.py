"""``synthetic-traffic run``: run the users of a Locust file as simulated actors."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from synthetic._cli.printed import complain
from synthetic._config.sources import file_in_use, table_in_file

__all__ = ["run", "start"]


def run(options: argparse.Namespace) -> int:
    """Prepare the process for ``start``; return 0 if it is ready."""
    if find_spec("locust") is None:
        complain("this command needs Locust. Install it: pip install 'synthetic-traffic[locust]'")
        return 2
    # A test suite that has this for its own process may start a run: Locust would not hear of its workers.
    os.environ.pop("LOCUST_SKIP_MONKEY_PATCH", None)
    from synthetic_locust._plugin import install
    from synthetic_locust._target import Target, read_target

    target: Target | None = None
    if options.target is not None:
        target = _located(read_target(options.target, table_in_file("drive")))
        _set_defaults(target)
    os.environ.setdefault("LOCUST_HEADLESS", "true")
    # While a master waits for reports after a change, it sends no heartbeats.
    os.environ.setdefault("LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP", "0")
    os.environ.setdefault("LOCUST_ONLY_SUMMARY", "true")  # the journeys are shown instead
    install(target)
    if options.file.startswith("-") or (not options.file.endswith(".py") and not os.path.exists(options.file)):
        complain(f"{options.file!r} is no file; say which Locust file: synthetic-traffic run rides.py --target staging")
        return 2
    sys.argv = ["synthetic-traffic run", "-f", options.file, *options.locust]
    return 0


def start() -> None:
    """Run Locust, which ends the process with its exit code. If it finds something wrong at once, the code is 2."""
    from synthetic_locust._plugin import has_begun

    try:
        locust: Any = import_module("locust.main")
        locust.main()
    except SystemExit as ended:
        if ended.code == 1 and not has_begun():  # 1 is for a journey that is not healthy
            raise SystemExit(2) from None
        raise
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception:
        if has_begun():
            raise
        traceback.print_exc()
        raise SystemExit(2) from None


def _located(target: Any) -> Any:
    """Return the target with the path of its dial: a relative path starts at the folder of the configuration file."""
    from synthetic_locust._dial import is_url

    file = file_in_use()
    if file is None or target.dial is None or is_url(target.dial):
        return target
    return replace(target, dial=str(file.parent / target.dial))


def _set_defaults(target: Any) -> None:
    """Give Locust the values of a target as defaults: -u and -r can change them. The host is always the target's."""
    os.environ.setdefault("SYNTHETIC_ENVIRONMENT", target.environment)  # for what reads settings before the run begins
    for variable, value in (
        ("LOCUST_HOST", target.host),
        ("LOCUST_USERS", target.users),
        ("LOCUST_SPAWN_RATE", target.rate),
    ):
        if value is not None:
            os.environ.setdefault(variable, str(value))
