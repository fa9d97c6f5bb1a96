"""A process that was started by simulated work is simulated, from its start on."""

from __future__ import annotations

import multiprocessing
import os
import threading

from synthetic import _config
from synthetic._arrival import arrive
from synthetic._baggage import find
from synthetic._verdict import VERDICT, Entered, Received, Unverified, enter, leave
from synthetic.errors import MessageRefused
from synthetic_concurrency._environment import baggage_of

__all__ = ["admit_environment", "forget_environment"]

_lock = threading.Lock()
_in_force: Entered | None = None


def admit_environment() -> None:
    """Put in force what this process was started as, by its environment variable ``BAGGAGE``.

    To be called at start-up, once the keys are configured, in the main thread: it holds there, and in what that starts.
    With a good marker the process is simulated. Where the marker does not verify, was halted or can't be taken now, the
    verdict is that nobody can tell, and guards, calls and ``is_synthetic`` raise UnverifiedMarker. Without a marker,
    and where something is decided already, nothing happens; nor in a child of ``multiprocessing``, which gets its
    verdict from its parent.
    """
    global _in_force
    with _lock:
        if _in_force is not None or VERDICT.get() is not None or _is_child():
            return
        verdict = _verdict()
        if verdict is not None:
            _in_force = enter(verdict, is_work=True)


def _verdict() -> Received | Unverified | None:
    baggage = baggage_of(os.environ)
    if baggage is None or find((baggage,), _config.active().key).is_empty:
        return None
    try:
        verdict = arrive([baggage])
    except MessageRefused as refusal:
        return Unverified(refusal.reason)
    return verdict if isinstance(verdict, Received) else None


def _is_child() -> bool:
    """Whether multiprocessing started this process; while that imports the program, only the second tells."""
    starting = getattr(multiprocessing.current_process(), "_inheriting", False)
    return starting or multiprocessing.parent_process() is not None


def forget_environment() -> None:
    """Undo ``admit_environment``."""
    global _in_force
    with _lock:
        if _in_force is not None:
            entered, _in_force = _in_force, None
            leave(entered)
