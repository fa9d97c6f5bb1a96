"""A process that simulated work started is simulated, from its start on."""

from __future__ import annotations

import multiprocessing
import os
import threading

from synthetic.errors import MessageRefused
from synthetic.integration import VERDICT, Entered, Received, Unverified, enter, has_marker, leave, verdict_on_values
from synthetic_concurrency._headers import baggage_of

__all__ = ["THIS_PROCESS", "admit_environment"]

_lock = threading.Lock()
_in_force: Entered | None = None


def admit_environment() -> None:
    """Put the verdict on this process in force, by its environment variable ``BAGGAGE``.

    Call it at start-up, once the keys are configured, in the main thread. The verdict holds there, and in threads and
    processes that the main thread starts. With a verified marker, the process is simulated. If the marker does not
    verify, its run is halted or the service cannot take it now, guards, calls and ``is_synthetic`` raise
    UnverifiedMarker. Nothing happens without a marker, if a verdict is in force already, and in a child of
    ``multiprocessing``, which gets its verdict from its parent.
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
    if baggage is None or not has_marker((baggage,)):
        return None
    try:
        verdict = verdict_on_values((baggage,))
    except MessageRefused as refusal:
        return Unverified(refusal.reason)
    return verdict if isinstance(verdict, Received) else None


def _is_child() -> bool:
    """Whether multiprocessing started this process; while it imports the main module, only ``_inheriting`` says so."""
    starting = getattr(multiprocessing.current_process(), "_inheriting", False)
    return starting or multiprocessing.parent_process() is not None


class _ThisProcess:
    """The verdict on this process: the patches go on before it, and come off after it."""

    def put_on(self) -> None:
        admit_environment()

    def take_off(self) -> None:
        global _in_force
        with _lock:
            if _in_force is not None:
                entered, _in_force = _in_force, None
                leave(entered)


THIS_PROCESS = _ThisProcess()
