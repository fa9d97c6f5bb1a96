"""Code that is written once for the sync and the async API.

A flow yields each call of Playwright instead of making it, and gets the result. The sync API makes the call, the async
API awaits it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, Literal, TypeVar

from greenlet import greenlet
from playwright import async_api, sync_api

__all__ = ["Api", "Flow", "api_of", "handler", "method", "run", "run_async", "started"]

R = TypeVar("R")

Api = Literal["sync", "async"]
Flow = Generator[Callable[[], Any], Any, R]

_tasks: set[asyncio.Future[Any]] = set()
"""The event loop itself holds tasks only weakly."""


def api_of(name: Api) -> Any:
    """Return the module of one of Playwright's two APIs."""
    return sync_api if name == "sync" else async_api


def run(flow: Flow[R]) -> R:
    """Run a flow to its end, with the sync API."""
    try:
        call = next(flow)
        while True:
            try:
                result = call()
            except Exception as error:
                call = flow.throw(error)
            else:
                call = flow.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def run_async(flow: Flow[R]) -> R:
    """Run a flow to its end, with the async API."""
    try:
        call = next(flow)
        while True:
            try:
                result = await call()
            except Exception as error:
                call = flow.throw(error)
            else:
                call = flow.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        flow.close()  # also if the task was cancelled


def method(api: Api, original: Any, flow: Callable[..., Flow[Any]]) -> Any:
    """Return a method like ``original`` that runs ``flow``, called with the same arguments."""

    @wraps(original)
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        return run(flow(*args, **kwargs))

    @wraps(original)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        return await run_async(flow(*args, **kwargs))

    return synchronous if api == "sync" else asynchronous


def handler(api: Api, flow: Callable[[Any], Flow[None]]) -> Callable[[Any], None]:
    """Return a handler of an event that runs ``flow``. It ends quietly if the browser is closed meanwhile."""

    def quiet(event: Any) -> Flow[None]:
        try:
            yield from flow(event)
        except sync_api.Error:
            return

    def synchronous(event: Any) -> None:
        run(quiet(event))

    def asynchronous(event: Any) -> None:
        task = asyncio.ensure_future(run_async(quiet(event)))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    return synchronous if api == "sync" else asynchronous


def started(api: Api, call: Callable[[], Any]) -> Any:
    """Start a call of Playwright in a handler that may not wait for it; return what the handler returns."""
    return call() if api == "async" else greenlet(call).switch()
