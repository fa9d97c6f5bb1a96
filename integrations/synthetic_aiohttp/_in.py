"""The marker at the door of an aiohttp application."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from synthetic import Marker
from synthetic.integration import (
    AS_REAL,
    REAL,
    Entrance,
    OnMissing,
    OnUnverified,
    Problem,
    Real,
    Received,
    Refused,
    enter,
    leave,
    problem_of,
    refusal_of,
)
from synthetic_aiohttp._headers import baggage_of, keep_out_of_caches, remember, replace_baggage

__all__ = ["install", "marker", "middleware"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

_MARKER = "marker"


def middleware(
    *,
    edge: bool | None = None,
    on_unverified: OnUnverified | None = None,
    on_missing: OnMissing | None = None,
) -> Middleware:
    """Return the middleware for ``web.Application(middlewares=[middleware(), ...])``.

    It admits each request and websocket as real or simulated, or answers it itself: 403 refused, 429 later. The
    verdict is in force until the response has been sent, and its marker, or None, is ``request["marker"]``. Put it
    first: what stands before it sees a refused request. Applied twice, it decides the same twice.

    Args:
        edge: False where only services that take part can reach this application.
        on_unverified: ``"refuse"`` or ``"strip"``.
        on_missing: ``"real"`` or ``"refuse"``.

    For a setting that is not given here the configuration's is used; see ``synthetic.configure``. Raises
    ConfigurationError for a wrong setting.
    """
    entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing, is_on_loop=True)
    entrance.open()

    @web.middleware
    async def synthetic_traffic(request: web.Request, handler: Handler) -> web.StreamResponse:
        decision = entrance.decide(baggage_of(request))
        if decision is not AS_REAL:
            decision = await entrance.turn(decision)
        if isinstance(decision, Refused):
            return _answer(refusal_of(decision.reason))
        verdict = decision.verdict
        if decision.onward is not None:
            replace_baggage(request, decision.onward)
        if isinstance(verdict, Received):
            keep_out_of_caches(request, verdict)
        remember(request, _MARKER, verdict.marker)
        return await _handled(verdict, request, handler)

    return synthetic_traffic


def install(
    app: web.Application,
    *,
    edge: bool | None = None,
    on_unverified: OnUnverified | None = None,
    on_missing: OnMissing | None = None,
) -> None:
    """Put the middleware before all others of an application. The arguments are those of ``middleware``.

    Call it when the application is complete, and before it runs; it covers sub-applications, too.
    """
    if not isinstance(cast("object", app), web.Application):
        raise TypeError(f"{app!r} is not an aiohttp.web.Application")
    admission = middleware(edge=edge, on_unverified=on_unverified, on_missing=on_missing)
    app.middlewares.insert(0, cast("Any", admission))


def marker(request: web.BaseRequest) -> Marker | None:
    """Return the marker of a request or websocket; None for a real one, and where no middleware has looked at it."""
    return cast("Marker | None", request.get(_MARKER))


async def _handled(verdict: Real | Received, request: web.Request, handler: Handler) -> web.StreamResponse:
    entered = enter(verdict, is_work=True, marks_span=True)
    try:
        response = await handler(request)
        if isinstance(cast("object", response), web.StreamResponse):
            _finish_under(verdict, response)
        return response
    except web.HTTPException as error:
        _finish_under(verdict, error)
        raise
    except Exception as error:
        answer = None if request.writer.output_size else problem_of(error)
        if answer is None:
            raise
        return _answer(answer)
    finally:
        leave(entered)


def _finish_under(verdict: Real | Received, response: web.StreamResponse) -> None:
    """Have the rest of a response done under ``verdict``: aiohttp does it after the middleware has returned.

    The rest are the signal handlers for ``on_response_prepare``, and the steps of a generated body, in any task. The
    work goes on until then, or until the response is garbage: its client may have gone.
    """
    verdict.begin()
    end = verdict.end if verdict is REAL else weakref.finalize(response, verdict.end)
    _do_under(verdict, response, "prepare", _nothing)
    is_whole = isinstance(response, web.Response) and isinstance(response.body, bytes)
    if verdict is not REAL or not is_whole:  # a whole body is not generated: for a real response, nothing runs
        _do_under(verdict, response, "write_eof", end)


def _nothing() -> None:
    pass


def _do_under(verdict: Real | Received, response: web.StreamResponse, name: str, then: Callable[[], object]) -> None:
    step = getattr(response, name)

    async def under_verdict(*args: Any) -> Any:
        vars(response).pop(name, None)  # only the collector frees a response that holds itself
        entered = enter(verdict, is_work=True)
        try:
            return await step(*args)
        finally:
            leave(entered)
            then()

    setattr(response, name, under_verdict)


def _answer(problem: Problem) -> web.Response:
    return web.Response(status=problem.status, body=problem.body, headers=dict(problem.headers))
