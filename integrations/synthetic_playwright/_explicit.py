"""``mark``, for use without patches."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, overload

from playwright import async_api, sync_api

from synthetic.errors import ConfigurationError
from synthetic_playwright._calls import carry_calls
from synthetic_playwright._flow import Api, Flow, run, run_async
from synthetic_playwright._marking import marking, simulated_verdict

__all__ = ["mark"]


@overload
def mark(context: sync_api.BrowserContext) -> None: ...


@overload
def mark(context: async_api.BrowserContext) -> Awaitable[None]: ...


def mark(context: sync_api.BrowserContext | async_api.BrowserContext) -> Awaitable[None] | None:
    """Mark a browser context: what its pages request is part of the simulated work that calls this.

    Call it before you open the first page; with the async API, await it. The hosts that take part get the marker with
    each request, until the work ends; after that every request is blocked. A request to any other host is blocked too,
    unless the policy allows ``external-call``. The calls of ``context.request`` carry the marker of the work that makes
    them. A context that is marked already becomes part of the new work.

    Raises ConfigurationError outside of simulated work, for a browser other than Chromium, and for a context whose
    pages are loaded already.
    """
    if isinstance(context, sync_api.BrowserContext):
        return run(_marked("sync", context))
    return run_async(_marked("async", context))


def _marked(api: Api, context: Any) -> Flow[None]:
    verdict = simulated_verdict()
    if verdict is None:
        raise ConfigurationError(
            "mark() was called outside of simulated work, so there is no marker: call it inside of "
            "synthetic.simulated(...)"
        )
    yield from marking(api, context, verdict)
    carry_calls(api, context.request)
