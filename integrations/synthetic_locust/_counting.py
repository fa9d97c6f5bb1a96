"""Counts how journeys and requests end: for Locust's reports, and for the health of the run."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import gevent  # type: ignore[import-untyped]
from locust.stats import RequestStats, StatsError

from synthetic.errors import SyntheticTrafficError
from synthetic_locust._answers import Answer, RequestRefused, answer_of
from synthetic_locust._journeys import Cause, is_spent, note
from synthetic_locust._tally import Ended, Tally, shortened

__all__ = ["Counting"]

JOURNEY: Final = "JOURNEY"
"""The type of journeys in Locust's reports."""

SHED: Final = "SHED"
"""The type of what was shed, requests and journeys, in Locust's reports."""


class Counting:
    """Observes journeys and requests of this process.

    In Locust's reports they have rows of their own. They do not count in its row *Aggregated*: the requests of a
    journey are there already, and the time of an answer that says *later* would make the service look fast.

    ``on_answer`` is called with the answer to each request and with its name.
    """

    def __init__(
        self, stats: Callable[[], RequestStats], tally: Tally, traces: float, on_answer: Callable[[Answer, str], object]
    ) -> None:
        self._stats = stats
        self._tally = tally
        self._traces = traces
        self._on_answer = on_answer

    def begins(self, journey: str) -> None:
        """Note that a journey begins."""
        self._tally.begin(journey)

    def samples(self) -> bool:
        """Return whether the services are to record the trace of the next journey."""
        return random.random() < self._traces

    def ends(self, ended: Ended, seconds: float) -> None:
        """Count a journey."""
        self._tally.add(ended)
        stats = self._stats()
        entry = stats.get(ended.journey, SHED if ended.outcome == "shed" else JOURNEY)
        entry.log(round(seconds * 1000), 0)
        if ended.outcome == "failed":
            text = f"at {ended.step}: {ended.cause}"
            entry.log_error(text)
            key = StatsError.create_key(JOURNEY, ended.journey, text)
            stats.errors.setdefault(key, StatsError(JOURNEY, ended.journey, text)).occurred()

    def firing(self, original: Callable[..., None]) -> Callable[..., None]:
        """Wrap ``fire`` of Locust's event ``request``. A request that was shed is not an event: it is no failure."""

        def fire(*, reverse: bool = False, **meta: Any) -> None:
            if is_spent(meta.get("exception")):
                gevent.sleep(0)  # a guardrail has stopped the actor: it ends here
            self._tally.requests += 1
            answer = answer_of(meta.get("response"))
            request = f"{meta.get('request_type')} {meta.get('name')}"
            self._on_answer(answer, request)
            if answer.later is not None:
                entry = self._stats().get(str(meta.get("name")), SHED)
                entry.log(round(meta.get("response_time") or 0), meta.get("response_length") or 0)
                return self.sheds(Cause("shed", later=answer.later))
            if answer.refused is not None and meta.get("exception") is not None:
                meta["exception"] = RequestRefused(answer.refused)
            original(reverse=reverse, **meta)
            if meta.get("exception") is not None:
                cause = Cause(_text_of(meta["exception"], meta.get("response")))
                if not note(cause):
                    self.fails_alone(request, cause)
            return None

        return fire

    def sheds(self, cause: Cause) -> None:
        """End the journey that is under way; outside of one, let the actor wait as long as the service asks for."""
        if note(cause):
            raise cause
        gevent.sleep((cause.later or 0) * random.uniform(1, 2))

    def fails_alone(self, request: str, cause: Cause) -> None:
        """Do nothing more about a request that failed outside of a journey: Locust has counted it."""


def _text_of(error: object, response: Any) -> str:
    """Return a text without ids: Locust keeps each different one."""
    if isinstance(error, (RequestRefused, SyntheticTrafficError)):
        return str(error)
    status = getattr(response, "status_code", 0)
    kind = type(error).__name__
    if status and kind in ("HTTPError", "LocustBadStatusCode", "BadStatusCode"):
        return f"HTTP {status}"
    if kind == "CatchResponseError":
        return shortened(str(error))  # the actor's own words
    return kind if not status else f"HTTP {status}: {kind}"
