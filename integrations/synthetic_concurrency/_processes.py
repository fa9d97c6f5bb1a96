"""``multiprocessing.Process``: ``run`` has the verdict of the work that calls ``start``, for every start method."""

from __future__ import annotations

from functools import wraps
from multiprocessing.process import BaseProcess
from typing import Any

from synthetic.integration import (
    IsOn,
    LatePatches,
    Patch,
    Simulated,
    Unverified,
    enter,
    is_worker,
    marked_verdict,
    without_verdict,
)

__all__ = ["PROCESSES", "Running"]


class Running:
    """``Process.run`` under a verdict, in the child. It travels in the process object, forked or pickled."""

    __slots__ = ("_present", "_process", "_verdict")

    def __init__(self, process: BaseProcess, verdict: Simulated | Unverified, present: Any) -> None:
        self._process = process
        self._verdict = verdict
        self._present = present

    def __call__(self) -> None:
        """Run, in the child. The verdict stays in force: what the child does at its end is this work, too."""
        self.take_off()
        verdict = self._verdict
        enter(verdict.for_work() if isinstance(verdict, Simulated) else verdict)
        self._process.run()

    def take_off(self) -> None:
        """Restore the process object."""
        if self._present is None:
            vars(self._process).pop("run", None)
        else:
            vars(self._process)["run"] = self._present

    def __reduce__(self) -> tuple[object, ...]:
        return Running, (self._process, self._verdict, self._present)


def _starting(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def start(self: BaseProcess) -> Any:
        if not is_on():
            return original(self)
        verdict = marked_verdict()
        if verdict is None or is_worker(self):
            return without_verdict(original, self)
        running = Running(self, verdict, vars(self).get("run"))
        vars(self)["run"] = running
        try:
            original(self)
        finally:
            running.take_off()

    return start


def _feeding(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Queue._start_thread``: the first ``put`` starts the thread that feeds the pipe from then on."""

    @wraps(original)
    def start_thread(self: Any) -> Any:
        return without_verdict(original, self) if is_on() else original(self)

    return start_thread


def _patches_on_queues(module: Any) -> list[Patch]:
    return [Patch(module.Queue, "_start_thread", _feeding)]


def _patches_on_processes(module: Any) -> list[Patch]:
    return [Patch(module.BaseProcess, "start", _starting)]


# multiprocess and billiard are copies of multiprocessing, with classes of their own.
PROCESSES: tuple[Patch | LatePatches, ...] = (
    Patch(BaseProcess, "start", _starting),
    LatePatches("multiprocess.process", _patches_on_processes),
    LatePatches("billiard.process", _patches_on_processes),
    LatePatches("multiprocessing.queues", _patches_on_queues),
    LatePatches("multiprocess.queues", _patches_on_queues),
    LatePatches("billiard.queues", _patches_on_queues),
)
