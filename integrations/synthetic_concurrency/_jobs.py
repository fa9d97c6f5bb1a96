"""Jobs of ``asyncio.to_thread``, anyio, aiojobs, APScheduler and Quart run under the verdict of their submitter."""

from __future__ import annotations

import sys
from contextvars import Context, copy_context
from functools import partial, wraps
from typing import Any

from synthetic import carry
from synthetic.integration import (
    IsOn,
    LatePatches,
    Patch,
    Simulated,
    enter,
    job_of,
    leave,
    marked_verdict,
    without_verdict,
)

__all__ = ["JOBS"]


def _to_thread(original: Any, is_on: IsOn) -> Any:
    """Wrap ``asyncio.to_thread``, which makes the call in a copied context."""

    @wraps(original)
    async def to_thread(func: Any, /, *args: Any, **kwargs: Any) -> Any:
        return await original(job_of(func) if is_on() else func, *args, **kwargs)

    return to_thread


def _running_in_thread(original: Any, is_on: IsOn) -> Any:
    """Wrap ``run_sync_in_worker_thread``: a job may go on after a request that was cancelled."""
    of_class = original.__func__

    async def run_sync_in_worker_thread(cls: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        return await of_class(cls, job_of(func) if is_on() else func, *args, **kwargs)

    return classmethod(wraps(of_class)(run_sync_in_worker_thread))


def _running_in_process(original: Any, is_on: IsOn) -> Any:
    """Wrap ``anyio.to_process.run_sync``."""

    @wraps(original)
    async def run_sync(func: Any, *args: Any, **kwargs: Any) -> Any:
        return await original(job_of(func) if is_on() else func, *args, **kwargs)

    return run_sync


def _opening(original: Any, is_on: IsOn) -> Any:
    """Wrap ``open_process`` where ``anyio.to_process`` calls it, to start a worker."""

    @wraps(original)
    async def open_process(*args: Any, **kwargs: Any) -> Any:
        if not is_on():
            return await original(*args, **kwargs)
        entered = enter(None)
        try:
            return await original(*args, **kwargs)
        finally:
            leave(entered)

    return open_process


def _making(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job.__init__`` of aiojobs. Another job may start this one later, in its own context."""

    @wraps(original)
    def __init__(job: Any, *args: Any, **kwargs: Any) -> None:
        original(job, *args, **kwargs)
        if is_on():
            job._synthetic = copy_context(), marked_verdict()

    return __init__


def _starting(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Job._start`` of aiojobs."""

    @wraps(original)
    def start(job: Any) -> None:
        present: tuple[Context, Any] | None = getattr(job, "_synthetic", None)
        if present is None or not is_on():
            return original(job)  # type: ignore[no-any-return]
        context, verdict = present
        if isinstance(verdict, Simulated):
            own = verdict.for_work()
            own.begin()
            context.run(enter, own)
            context.run(original, job)

            def end(_: object) -> None:
                own.end()

            job._task.add_done_callback(end)
        else:
            context.run(original, job)
        return None

    return start


def _scheduling(original: Any, is_on: IsOn) -> Any:
    """Wrap ``add_job`` of APScheduler. A job store that pickles cannot keep a job of simulated work, and says so."""

    @wraps(original)
    def add_job(scheduler: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        return original(scheduler, _scheduled(func) if is_on() else func, *args, **kwargs)

    return add_job


def _modifying(original: Any, is_on: IsOn) -> Any:
    """Wrap ``modify_job`` of APScheduler, which can replace a job's function."""

    @wraps(original)
    def modify_job(scheduler: Any, *args: Any, **changes: Any) -> Any:
        if "func" in changes and is_on():
            changes["func"] = _scheduled(changes["func"])
        return original(scheduler, *args, **changes)

    return modify_job


def _scheduled(func: Any) -> Any:
    """Return the function of a job under the current verdict; unchanged if the current work has no marker.

    A text names a function (``module:name``), which APScheduler would import. A store that pickles keeps such a name,
    and so loses the verdict. A partial function has none.
    """
    if marked_verdict() is None:
        return func
    if isinstance(func, str):
        func = sys.modules["apscheduler.util"].ref_to_obj(func)
    return partial(job_of(func)) if callable(func) else func


def _waking(original: Any, is_on: IsOn) -> Any:
    """Wrap ``wakeup`` of a scheduler in an event loop, which keeps the context for the jobs of everybody."""

    @wraps(original)
    def wakeup(scheduler: Any) -> Any:
        return without_verdict(original, scheduler) if is_on() else original(scheduler)

    return wakeup


def _adding(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Quart.add_background_task``. Quart does not await the task before it ends the request."""

    @wraps(original)
    def add_background_task(app: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        is_marked = is_on() and marked_verdict() is not None
        return original(app, carry(func) if is_marked else func, *args, **kwargs)

    return add_background_task


JOBS: tuple[LatePatches, ...] = (
    LatePatches("asyncio", lambda module: [Patch(module, "to_thread", _to_thread)]),
    LatePatches(
        "anyio._backends._asyncio",
        lambda module: [Patch(module.AsyncIOBackend, "run_sync_in_worker_thread", _running_in_thread)],
    ),
    LatePatches(
        "anyio.to_process",
        lambda module: [Patch(module, "run_sync", _running_in_process), Patch(module, "open_process", _opening)],
    ),
    LatePatches(
        "aiojobs._job", lambda module: [Patch(module.Job, "__init__", _making), Patch(module.Job, "_start", _starting)]
    ),
    LatePatches(
        "apscheduler.schedulers.base",
        lambda module: [
            Patch(module.BaseScheduler, "add_job", _scheduling),
            Patch(module.BaseScheduler, "modify_job", _modifying),
        ],
    ),
    LatePatches("apscheduler.schedulers.asyncio", lambda module: [Patch(module.AsyncIOScheduler, "wakeup", _waking)]),
    LatePatches("apscheduler.schedulers.tornado", lambda module: [Patch(module.TornadoScheduler, "wakeup", _waking)]),
    LatePatches("quart.app", lambda module: [Patch(module.Quart, "add_background_task", _adding)]),
)
