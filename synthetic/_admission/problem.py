"""Responses to requests that are not admitted, and the cache headers of simulated responses."""

from __future__ import annotations

import json
from functools import cache
from typing import Final, NamedTuple, cast

from synthetic._model.reason import Reason, detail_of
from synthetic._model.throttled import ThrottledLog
from synthetic._model.verdict import Simulated
from synthetic.errors import EffectRefused, UnverifiedMarker

__all__ = [
    "ACKNOWLEDGEMENT",
    "PROBLEM_JSON",
    "SIMULATED",
    "SIMULATED_CACHE_CONTROL",
    "Problem",
    "is_cache_header",
    "problem",
    "problem_of",
    "refusal_of",
    "server_error_of",
]

PROBLEM_JSON = "application/problem+json"
SIMULATED_CACHE_CONTROL = "private, no-store"
"""Keeps shared caches from giving a simulated response to a real user."""
ACKNOWLEDGEMENT = "synthetic-traffic"
"""The header by which a driver tells that its request was handled by a service that knows markers."""
SIMULATED = "simulated"
"""Its value on a simulated response, unless the application has set one. A problem says ``refused`` or ``later``."""

_RETRY_AFTER = 5
"""Seconds after which a simulated request that was answered with 429 may come again."""

_TITLES = {403: "Forbidden", 429: "Too Many Requests"}


class Problem(NamedTuple):
    """A response with problem details (RFC 9457)."""

    status: int
    title: str
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@cache  # a service that sheds answers thousands with the same document
def refusal_of(reason: Reason) -> Problem:
    """Return the response to a request that was not admitted: 429 if it may be admitted later, else 403."""
    detail = detail_of(reason)
    if reason.is_later:
        return problem(429, detail, reason.value, ("retry-after", str(_RETRY_AFTER)))
    return problem(403, detail, reason.value)


_refused = ThrottledLog()


def problem_of(error: BaseException) -> Problem | None:
    """Return the response to an uncaught EffectRefused or UnverifiedMarker; None for any other error.

    An exception group that holds only such errors counts too. The status is never 5xx, which would count against the
    host that serves real users.
    """
    inner = getattr(error, "exceptions", None)
    if isinstance(inner, tuple) and inner:
        answers = [problem_of(one) for one in cast("tuple[BaseException, ...]", inner)]
        return answers[0] if all(answers) else None
    if isinstance(error, EffectRefused):
        # The caller learns which effect was refused. How to change that is only logged.
        _refused.warn(error.effect, str(error))
        return _effect_refused(error.effect)
    if isinstance(error, UnverifiedMarker):
        return refusal_of(error.reason)
    return None


def server_error_of(verdict: Simulated, error: BaseException | None) -> Problem | None:
    """Return the response in place of an application's own server error (5xx) to a simulated request.

    Frameworks turn errors into responses. ``error`` is what is being handled now. None if no effect was refused.
    """
    answer = None if error is None else problem_of(error)
    if answer is None and verdict.refused is not None:
        answer = _effect_refused(verdict.refused)
    return answer


def _effect_refused(effect: str) -> Problem:
    detail = "A side effect of this simulated request was refused."
    return problem(403, detail, "effect-refused", effect=effect)


def problem(status: int, detail: str, reason: str, *headers: tuple[str, str], **members: str) -> Problem:
    """Return a problem response with extra ``headers`` and ``members``, which no cache may store."""
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
        (ACKNOWLEDGEMENT, "later" if status == 429 else "refused"),
    )
    return Problem(status, title, reason, standard + headers, body)


_CACHE_HEADERS: Final = frozenset({"edge-control", "expires", "surrogate-control", "x-accel-expires"})


def is_cache_header(name: str) -> bool:
    """Return whether a header tells caches what to keep: a simulated response has none of the application's.

    These are ``Cache-Control`` and ``Expires``, and those that override them for one cache: ``CDN-Cache-Control`` with
    any prefix (RFC 9213), ``X-LiteSpeed-Cache-Control``, ``Surrogate-Control`` and the like.
    """
    lower = name.lower()
    return lower.endswith("cache-control") or lower in _CACHE_HEADERS
