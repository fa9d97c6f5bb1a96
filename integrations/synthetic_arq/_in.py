"""Runs each job of a worker under the verdict on the job, in a task of its own. Its hooks are covered, too."""

from __future__ import annotations

from contextvars import ContextVar
from functools import wraps
from typing import Any

from synthetic.errors import MessageRefused
from synthetic.integration import REAL, Entered, IsOn, Reason, enter, leave, verdict_on_values
from synthetic_arq._headers import Load, taking
from synthetic_arq._refusal import NotAdmitted, refuse

__all__ = ["admitting", "reading", "receiving", "running", "starting"]


class _Handling:
    """The handling of one job, from reading it to the end of its hooks."""

    __slots__ = ("_entered",)

    def __init__(self) -> None:
        self._entered: Entered | None = None

    def begin(self, data: dict[str, Any], headers: list[str], says_simulated: bool) -> None:
        """Admit the job. Jobs that are read later, while it runs, are others."""
        if self._entered is not None:
            return
        try:
            verdict = verdict_on_values(headers, takes_place=True)
            if says_simulated and verdict is REAL:
                raise MessageRefused(Reason.MISSING)  # its serializer has lost the marker
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


def receiving(original: Any, is_on: IsOn) -> Any:
    """Wrap ``deserialize_job_raw``, with which a worker reads the job that it is about to run."""

    @wraps(original)
    def deserialize_job_raw(raw: bytes, *, deserializer: Load | None = None) -> Any:
        return original(raw, deserializer=admitting(deserializer) if is_on() else deserializer)

    return deserialize_job_raw


def reading(original: Any, is_on: IsOn) -> Any:
    """Wrap ``deserialize_job``, with which a caller looks at jobs in the queue."""

    @wraps(original)
    def deserialize_job(raw: bytes, *, deserializer: Load | None = None) -> Any:
        return original(raw, deserializer=taking(deserializer) if is_on() else deserializer)

    return deserialize_job


def starting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Worker.main``. A worker starts with no verdict, because it lives on after the work that starts it.

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
