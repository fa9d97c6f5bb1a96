"""Switches the marking of actors on in a Locust process, before its first user starts."""

from __future__ import annotations

from typing import Any

from locust import events

from synthetic.errors import SyntheticTrafficError
from synthetic_locust._actors import Actors, as_name
from synthetic_locust._drive import Drive, fail
from synthetic_locust._target import Target

__all__ = ["install"]

_target: Target | None = None
_actors = Actors()
_is_installed = False


def install(target: Target | None = None) -> None:
    """Have the users of this Locust process act against ``target``; None means what Locust's options say.

    They act from Locust's event ``init`` on. Calling this again only changes the target.
    """
    global _target, _is_installed
    _target = target if target is not None else _target
    if not _is_installed:
        _is_installed = True
        _actors.put_on()
        events.init.add_listener(_begin)


def _begin(environment: Any, **_: Any) -> None:
    try:
        Drive(_target or Target(run=_run_of(environment)), _actors).begin(environment)
    except SyntheticTrafficError as error:
        fail(str(error))


def _run_of(environment: Any) -> str:
    """Return a name for a run without a target: that of its file."""
    return as_name(str(environment.locustfile or "locust").removesuffix(".py"))
