"""Switches the marking of actors on in a Locust process, before its first user acts."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import Any, Final

from locust import events

import synthetic
from synthetic.errors import SyntheticTrafficError
from synthetic_locust._actors import Actors, as_name
from synthetic_locust._drive import Drive
from synthetic_locust._ends import USAGE
from synthetic_locust._target import Target

__all__ = ["has_begun", "install", "install_if_locust_runs"]

_actors: Final = Actors()
_settings: Final = ExitStack()
_target: Target | None = None
_is_installed = False
_has_begun = False


def install(target: Target | None = None) -> None:
    """Have the users of this process act against ``target``; None means what Locust's options say.

    From now on, a call that nobody has declared is refused: one of a Locust file's own, or of a listener. Users act
    once Locust's event ``init`` has come. Calling this again only changes the target.
    """
    global _target, _is_installed
    _target = target if target is not None else _target
    if _is_installed:
        return
    _is_installed = True
    os.environ["SYNTHETIC_UNDECLARED"] = "refuse"  # also if the file calls configure()
    _settings.enter_context(synthetic.configured(undeclared="refuse"))
    synthetic.instrument()
    _actors.put_on()
    init: Any = events.init
    init.add_listener(_begin)


def install_if_locust_runs() -> None:
    """Do the same if this is a process of Locust's command line, and nothing elsewhere, for example in a test."""
    if "locust.main" in sys.modules:
        install()


def has_begun() -> bool:
    """Whether the users of this process have begun, or could have: Locust has found nothing wrong before."""
    return _has_begun


def _begin(environment: Any, **_: Any) -> None:
    global _has_begun
    try:
        target = _target or Target(run=as_name(str(environment.locustfile or "locust").removesuffix(".py")))
        Drive(target, _actors, _settings).begin(environment)
        _has_begun = True
    except SyntheticTrafficError as error:
        print(f"synthetic-traffic: {error}", file=sys.stderr)
        raise SystemExit(USAGE) from None
