"""Switches the marking of actors on in a Locust process, before its first user starts."""

from __future__ import annotations

import sys
from typing import Any

from locust import events

from synthetic.errors import SyntheticTrafficError
from synthetic_locust._actors import as_name
from synthetic_locust._drive import USAGE, Drive
from synthetic_locust._target import Target

__all__ = ["install"]

_target: Target | None = None
_is_installed = False


def install(target: Target | None = None) -> None:
    """Have the users of this Locust process act against ``target``; None means what Locust's options say.

    It happens with Locust's event ``init``. Calling this again only changes the target.
    """
    global _target, _is_installed
    _target = target if target is not None else _target
    if not _is_installed:
        _is_installed = True
        init: Any = events.init
        init.add_listener(_begin)


def _begin(environment: Any, **_: Any) -> None:
    try:
        Drive(_target or Target(run=_run_of(environment))).begin(environment)
    except SyntheticTrafficError as error:
        print(f"synthetic-traffic: {error}", file=sys.stderr)
        raise SystemExit(USAGE) from None


def _run_of(environment: Any) -> str:
    """Return a name for a run without a target: that of its file."""
    return as_name(str(environment.locustfile or "locust").removesuffix(".py"))
