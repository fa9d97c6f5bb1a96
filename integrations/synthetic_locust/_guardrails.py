"""What ends a run: one list of guardrails, looked at each second on the process that leads the run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import synthetic
from synthetic_locust._health import Health
from synthetic_locust._preflight import PAUSE, Guarding, ask
from synthetic_locust._tally import Tally
from synthetic_locust._target import Query, Target

__all__ = ["Guardrail", "answer_to", "guardrails_of"]

Guardrail = Callable[[], "str | None"]
"""Returns why the run has to end; None if it may go on."""

_QUERY_PAUSE: Final = 5.0
_PATIENCE: Final = 5.0


def guardrails_of(
    target: Target, host: str | None, health: Health, tally: Tally, marker: Callable[[], str]
) -> Iterator[Guardrail]:
    """Return the guardrails of a target. ``marker`` returns a broken marker to ask the services of ``host`` with."""
    limits = target.stop_when
    if limits.failing:
        yield lambda: _failing(health, tally)
    if limits.requests is not None:
        most = limits.requests
        yield lambda: f"{tally.requests:,} requests were sent, of {most:,}" if tally.requests >= most else None
    if limits.time is not None:
        yield _time(limits.time)
    if limits.query is not None:
        query = limits.query
        yield _each(_QUERY_PAUSE, lambda: _asked(query))
    if target.preflight is not None and host is not None:
        where, paths = host, target.preflight
        yield _each(PAUSE, lambda: _open(where, paths, marker()))


def _failing(health: Health, tally: Tally) -> str | None:
    for journey, state in health.states().items():
        if state == "failing":
            return f"a journey is failing: {tally.failures.get(journey, journey)}"
    return None


def _time(seconds: float) -> Guardrail:
    end = time.monotonic() + seconds
    return lambda: f"the time of {seconds:g} s is over" if time.monotonic() >= end else None


def _each(pause: float, look: Guardrail) -> Guardrail:
    """Return a guardrail that looks each ``pause`` seconds only."""
    due = time.monotonic() + pause

    def seldom() -> str | None:
        nonlocal due
        if time.monotonic() < due:
            return None
        due = time.monotonic() + pause
        return look()

    return seldom


def _open(host: str, paths: tuple[str, ...], marker: str) -> str | None:
    """Tell of a service that was deployed without its middleware. One that does not answer may be restarting."""
    for finding in ask(host, paths, marker):
        if finding.guarding is Guarding.OPEN:
            return str(finding)
    return None


def _asked(query: Query) -> str | None:
    try:
        value = answer_to(query.url, query.promql)
    except Exception as error:  # nothing is known about real traffic then
        return f"the query of real traffic has no answer: {error}"
    return f"the query of real traffic is {value:g}, above {query.above:g}" if value > query.above else None


def answer_to(url: str, promql: str) -> float:
    """Return what Prometheus answers to a query: its highest value, if there are several.

    Raises OSError if it cannot be reached, and ValueError if it has no value. See *HTTP API, instant queries* in the
    documentation of Prometheus.
    """
    where = f"{url.rstrip('/')}/api/v1/query?{urlencode({'query': promql})}"
    try:
        with synthetic.real(), urlopen(where, timeout=_PATIENCE) as answer:
            data: Any = json.loads(answer.read())["data"]
        result = data["result"]
        values = [result[1]] if data["resultType"] == "scalar" else [one["value"][1] for one in result]
        numbers = [float(value) for value in values]
    except (HTTPException, LookupError, TypeError) as error:
        raise ValueError(f"{url} does not answer as Prometheus does: {error!r}") from error
    if not numbers or any(number != number for number in numbers):
        raise ValueError(f"{promql!r} has no value")
    return max(numbers)
