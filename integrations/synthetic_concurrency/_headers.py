"""The environment of a subprocess as a carrier: the variable ``BAGGAGE``.

OpenTelemetry specifies the name in "Environment Variables as Context Propagation Carriers".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from synthetic.integration import Within, current_verdict, directly, dispatch

__all__ = ["baggage_of", "environment", "outgoing"]

_NAME = "BAGGAGE"
_NAMES = (_NAME, b"BAGGAGE")


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a copy of ``env``, or of this process's environment, for a subprocess of the current work.

    For simulated work, ``BAGGAGE`` holds the marker, followed by the entries that were there; for real work, it holds
    no marker. Use it with ``os.posix_spawn``, ``os.execve`` and everything else that no patch covers. Raises
    UnverifiedMarker if the work carries a marker that does not verify.
    """
    departing, _ = outgoing(env)
    return dict(os.environ if departing is None else departing)


def outgoing(env: Any) -> tuple[Any, Within]:
    """Return ``env`` or a changed copy for a subprocess of the current work, and how to make the call.

    None stands for this process's environment, as it does for ``subprocess``. Whatever the setting ``undeclared`` says,
    work on which nothing was decided starts subprocesses: that sends nothing.
    """
    if current_verdict() is None:
        return env, directly
    present = baggage_of(os.environ if env is None else env)
    header, within = dispatch(present)
    if header == present:
        return env, within
    kept = {name: value for name, value in (os.environ if env is None else env).items() if name not in _NAMES}
    if header is not None:
        kept[_NAME] = os.fsdecode(header.encode("latin-1"))
    return kept, within


def baggage_of(env: Any) -> str | None:
    """Return the value of ``BAGGAGE``, one character a byte; None without one."""
    for name in _NAMES:
        try:
            value = env.get(name)
        except TypeError:  # os.environ takes text only, and os.environb bytes
            continue
        if value is not None:
            return os.fsencode(value).decode("latin-1")
    return None
