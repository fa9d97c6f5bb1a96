"""How journeys ended: counts by journey, outcome and step, and the last cause of each failure.

Each process counts its own actors. Workers send what they have counted to the master, which adds it up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["NO_STEP", "Ended", "Outcome", "Tally", "shortened"]

Outcome = Literal["completed", "failed", "shed"]

NO_STEP: Final = "-"
"""The step of a journey that ends outside of its steps."""

_LONGEST: Final = 240
"""Characters of a cause. Locust keeps each different text for ever."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A journey that has ended. ``cause`` is None for a completed one. ``trace`` is a trace id in hex."""

    journey: str
    outcome: Outcome
    step: str = NO_STEP
    cause: str | None = None
    trace: str | None = None

    def __str__(self) -> str:
        return f"{self.journey} at {self.step}: {self.cause}"


@dataclass(slots=True)
class Tally:
    """Counts of journeys that have ended, and of requests."""

    ended: dict[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    """By journey, outcome and step."""
    failures: dict[str, Ended] = field(default_factory=dict[str, Ended])
    """The last failure of each journey."""
    requests: int = 0
    begun: set[str] = field(default_factory=set[str])
    """The names of all journeys that have begun."""

    def begin(self, journey: str) -> None:
        """Note that a journey of this name begins. One that never ends is known by that."""
        self.begun.add(journey)

    def add(self, journey: Ended) -> None:
        """Count a journey."""
        key = (journey.journey, journey.outcome, journey.step)
        self.ended[key] = self.ended.get(key, 0) + 1
        if journey.outcome == "failed":
            self.failures[journey.journey] = journey

    def of(self, journey: str, outcome: Outcome) -> int:
        """Return how many journeys of this name ended like that."""
        return sum(number for (name, how, _), number in self.ended.items() if (name, how) == (journey, outcome))

    def journeys(self) -> list[str]:
        """Return the names of the journeys, sorted."""
        return sorted(self.begun)

    def taken(self) -> dict[str, Any] | None:
        """Return what was counted since the last call, as a message for the master; None if that is nothing."""
        if not self.ended and not self.requests and not self.begun:
            return None
        failures = [(one.journey, one.step, one.cause, one.trace) for one in self.failures.values()]
        message = {
            "ended": [[*key, number] for key, number in self.ended.items()],
            "failures": failures,
            "requests": self.requests,
            "begun": list(self.begun),
        }
        self.ended, self.failures, self.requests, self.begun = {}, {}, 0, set()
        return message

    def add_message(self, message: dict[str, Any]) -> None:
        """Add what a worker has counted."""
        for journey, outcome, step, number in message["ended"]:
            key = (journey, outcome, step)
            self.ended[key] = self.ended.get(key, 0) + number
        for journey, step, cause, trace in message["failures"]:
            self.failures[journey] = Ended(journey, "failed", step, cause, trace)
        self.requests += message["requests"]
        self.begun.update(message["begun"])


def shortened(text: str) -> str:
    """Return the first line of a cause, as much of it as is kept."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
