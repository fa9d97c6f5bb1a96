"""The answers to HTTP events: what was not admitted, and what no cache may keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from synthetic._http import CACHE_HEADERS, SIMULATED_CACHE_CONTROL, Problem
from synthetic_awslambda._events import Event

__all__ = ["answer", "uncached"]

Response = dict[str, Any]


def answer(problem: Problem, event: Event) -> Response:
    """Return the response for a request that was not admitted, in the form that the event asks for."""
    response: Response = {
        "statusCode": problem.status,
        "statusDescription": f"{problem.status} {problem.title}",  # an ALB wants one
        "body": problem.body.decode(),
        "isBase64Encoded": False,
    }
    headers = {name: value for name, value in problem.headers if name != "content-length"}
    return {**response, **_headers(headers, event)}


def uncached(response: Any, event: Event) -> Any:
    """Return a simulated response so that no shared cache keeps it. One without a status is left to the gateway."""
    if not isinstance(response, Mapping) or "statusCode" not in response:
        return response
    given = cast("Mapping[str, Any]", response)
    kept = {
        key: {name: value for name, value in (given.get(key) or {}).items() if name.lower() not in CACHE_HEADERS}
        for key in ("headers", "multiValueHeaders")
        if given.get(key) is not None
    }
    control = _headers({"cache-control": SIMULATED_CACHE_CONTROL}, event)
    merged = {key: {**kept.get(key, {}), **control.get(key, {})} for key in {*kept, *control}}
    return {**given, **merged}


def _headers(headers: dict[str, str], event: Event) -> dict[str, Any]:
    """An ALB with multi-value headers reads only those; everything else reads the plain ones."""
    if "multiValueHeaders" in event and "elb" in (event.get("requestContext") or {}):
        return {"multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return {"headers": headers}
