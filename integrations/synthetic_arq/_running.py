"""Jobs in a worker: each runs under the verdict on itself, in a task of its own, hooks included."""

from __future__ import annotations

from contextvars import ContextVar
from functools import wraps
from typing import Any

from synthetic._arrival import arrive
from synthetic._patch import IsOn
from synthetic._reason import Reason
from synthetic._verdict import REAL, Entered, enter, leave
from synthetic.errors import MessageRefused
from synthetic_arq._refusal import NotAdmitted, refuse
from synthetic_arq._wire import Load, taking

__all__ = ["admitting", "running", "starting"]


class _Handling:
    """One job, from when it is read until all is done."""

    __slots__ = ("_entered",)

    def __init__(self) -> None:
        self._entered: Entered | None = None

    def begin(self, data: dict[str, Any], headers: list[str], says_simulated: bool) -> None:
        """Admit the job. What is read later, while it runs, are others."""
        if self._entered is not None:
            return
        try:
            verdict = arrive(headers)
            if says_simulated and verdict is REAL:
                raise MessageRefused(Reason.MISSING)  # its serializer, or somebody else, has lost the marker
        except MessageRefused as error:
            raise NotAdmitted(error, data) from None
        self._entered = enter(verdict, is_work=True, marks_span=True)

    def end(self) -> None:
        if self._entered is not None:
            leave(self._entered)


_handling: ContextVar[_Handling | None] = ContextVar("synthetic-arq", default=None)


def admitting(load: Load | None) -> Load:
    """Return the deserializer of a worker, which admits the job that is about to run."""
    handling = _handling.get()
    return taking(load, None if handling is None else handling.begin)


def running(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Worker.run_job``."""

    @wraps(original)
    async def run_job(worker: Any, job_id: str, score: int) -> None:
        if not is_on():
            return await original(worker, job_id, score)  # type: ignore[no-any-return]
        handling = _Handling()
        token = _handling.set(handling)
        try:
            await original(worker, job_id, score)
        except NotAdmitted as not_admitted:
            await refuse(worker, job_id, score, not_admitted)
        finally:
            handling.end()
            _handling.reset(token)
        return None

    return run_job


def starting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Worker.main``, which lives on: it must not hold what was in force where it was started.

    Its cron jobs are real.
    """

    @wraps(original)
    async def main(worker: Any) -> None:
        if not is_on():
            return await original(worker)  # type: ignore[no-any-return]
        entered = enter(None)
        try:
            await original(worker)
        finally:
            leave(entered)
        return None

    return main
