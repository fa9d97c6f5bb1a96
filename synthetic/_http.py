"""What a request that is not admitted gets, and what a simulated response must say to caches."""

from __future__ import annotations

import json
from typing import NamedTuple, cast

from synthetic._reason import Reason, detail_of
from synthetic._throttled import ThrottledLog
from synthetic.errors import EffectRefused, UnverifiedMarker

__all__ = [
    "CACHE_HEADERS",
    "PROBLEM_JSON",
    "SIMULATED_CACHE_CONTROL",
    "Problem",
    "problem",
    "problem_of",
    "refusal_of",
]

PROBLEM_JSON = "application/problem+json"
SIMULATED_CACHE_CONTROL = "private, no-store"
"""No shared cache may hand a response to a simulated request to a real user."""

_RETRY_AFTER = 5
"""Seconds after which a simulated request that was sent away may come again."""

_TITLES = {403: "Forbidden", 429: "Too Many Requests"}


class Problem(NamedTuple):
    """A response in the form of RFC 9457."""

    status: int
    title: str
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refusal_of(reason: Reason | None) -> Problem:
    """Return the response for a request that was not admitted: 403, or 429 where it may come again."""
    reason = reason or Reason.MALFORMED
    detail = detail_of(reason)
    if reason.is_later:
        return problem(429, detail, reason.value, ("retry-after", str(_RETRY_AFTER)))
    return problem(403, detail, reason.value)


_refused = ThrottledLog()


def problem_of(error: BaseException) -> Problem | None:
    """Return the response for an error of ours that nobody caught; None for any other error.

    An exception group that holds nothing else counts, as from a task group. A 5xx would count against the host that
    serves real users.
    """
    inner = getattr(error, "exceptions", None)
    if isinstance(inner, tuple) and inner:
        answers = [problem_of(one) for one in cast("tuple[BaseException, ...]", inner)]
        return answers[0] if all(answers) else None
    if isinstance(error, EffectRefused):
        # The caller learns what was refused; what would change it is for the log.
        _refused.warn(error.target, str(error))
        detail = "A side effect of this simulated request was refused."
        return problem(403, detail, "effect-refused", effect=error.effect)
    if isinstance(error, UnverifiedMarker):
        return refusal_of(error.reason)
    return None


def problem(status: int, detail: str, reason: str, *headers: tuple[str, str], **members: str) -> Problem:
    """Return a problem response with extra ``headers`` and ``members``. It is never to be stored."""
    title = _TITLES[status]
    document = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "reason": reason,
        **members,
    }
    body = json.dumps(document).encode()
    standard = (
        ("content-type", PROBLEM_JSON),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
    )
    return Problem(status, title, reason, standard + headers, body)


CACHE_HEADERS = frozenset(
    {
        "akamai-cache-control",
        "cache-control",
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "expires",
        "fastly-cache-control",
        "netlify-cdn-cache-control",
        "surrogate-control",
        "vercel-cdn-cache-control",
        "x-accel-expires",
    }
)
"""What tells shared caches what to keep: ``Cache-Control``, and what overrides it (RFC 9213) for one product."""
