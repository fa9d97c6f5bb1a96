"""The answers to HTTP events: refusals, and responses that no cache may keep. Each gateway has its own form."""

from __future__ import annotations

import json
from typing import Any

from synthetic.integration import ACKNOWLEDGEMENT, SIMULATED, SIMULATED_CACHE_CONTROL, Problem, is_cache_header
from synthetic_aws_shared._headers import mapping
from synthetic_awslambda._headers import Event, is_head

__all__ = ["answer", "uncached"]

Response = dict[str, Any]


def answer(problem: Problem, event: Event) -> Response:
    """Return the response for a request that was not admitted."""
    response: Response = {
        "statusCode": problem.status,
        "body": "" if is_head(event) else problem.body.decode(),
        "isBase64Encoded": False,
    }
    if _is_alb(event):
        response["statusDescription"] = f"{problem.status} {problem.title}"  # API Gateway rejects it
    headers = {name: value for name, value in problem.headers if name != "content-length"}
    return {**response, **_headers(headers, event)}


def uncached(response: Any, event: Event) -> Any:
    """Return a simulated response with headers so that no shared cache keeps it; its body stays as it is."""
    given = _complete(response, event)
    complete = mapping(given)
    if "statusCode" not in complete:
        return given
    kept = {
        key: {name: value for name, value in mapping(complete[key]).items() if not is_cache_header(name)}
        for key in ("headers", "multiValueHeaders")
        if complete.get(key) is not None
    }
    said = {"cache-control": SIMULATED_CACHE_CONTROL}
    if not any(name.lower() == ACKNOWLEDGEMENT for headers in kept.values() for name in headers):
        said[ACKNOWLEDGEMENT] = SIMULATED
    added = _headers(said, event)
    return {**complete, **kept, **{key: {**kept.get(key, {}), **added[key]} for key in added}}


def _complete(response: Any, event: Event) -> Any:
    """Return a response without a status as the gateway would complete it: otherwise it has no place for a header.

    Only version 2.0 completes one (API Gateway and function URLs): with 200, and the value as JSON.
    """
    is_inferred = event.get("version") == "2.0" and "http" in mapping(event.get("requestContext"))
    if not is_inferred or "statusCode" in mapping(response):
        return response
    try:
        body = response if isinstance(response, str) else json.dumps(response)
    except (TypeError, ValueError):
        return response  # Lambda will not be able to return it either
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": body,
        "isBase64Encoded": False,
    }


def _is_alb(event: Event) -> bool:
    return "elb" in mapping(event.get("requestContext"))


def _headers(headers: dict[str, str], event: Event) -> dict[str, Any]:
    """An ALB with multi-value headers reads only those; everything else reads the plain ones."""
    if "multiValueHeaders" in event and _is_alb(event):
        return {"multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return {"headers": headers}
