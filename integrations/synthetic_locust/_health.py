"""The health of each journey: healthy, failing, stale or unknown."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

from synthetic_locust._tally import Ended, Tally
from synthetic_locust._target import HealthRule

__all__ = ["Change", "Health", "State"]

State = Literal["unknown", "healthy", "failing", "stale"]


@dataclass(frozen=True, slots=True)
class Change:
    """The health of a journey has changed. ``failure`` is its last failure, if it is failing."""

    journey: str
    state: State
    before: State
    completed: int
    failed: int
    failure: Ended | None = None

    def __str__(self) -> str:
        counts = f"{self.completed} completed, {self.failed} failed"
        if self.failure is None:
            return f"{self.journey} is {self.state}, was {self.before} ({counts})"
        trace = f", trace {self.failure.trace}" if self.failure.trace else ""
        return f"{self.journey} is {self.state} at {self.failure.step}: {self.failure.cause} ({counts}{trace})"


@dataclass(slots=True)
class _Watched:
    state: State = "unknown"
    counts: deque[tuple[float, int, int]] = field(default_factory=deque[tuple[float, int, int]])
    """When we looked, and how many had completed and failed by then; the first from before the window."""
    completed_at: float = 0.0


class Health:
    """Watches the journeys of a run. Times are in seconds, of any clock that does not jump.

    A journey is **failing** if at least ``minimum`` of the window have ended and too few of them completed. Otherwise
    it is **stale** if none has completed for ``fresh`` seconds, **healthy** if one has completed in the window, and
    **unknown** if it is too early to tell. Journeys that were shed, or stopped by the dial, are not counted.
    """

    def __init__(self, rule: HealthRule, tally: Tally, now: float) -> None:
        self._rule: Final = rule
        self._tally: Final = tally
        self._begun = now
        self._watched: dict[str, _Watched] = {}

    def look(self, now: float, *, is_acting: bool = True) -> list[Change]:
        """Return what has changed since the last look. While nobody acts, no journey becomes stale."""
        changes: list[Change] = []
        if not is_acting:
            self._begun = now
        for name in self._tally.journeys():
            watched = self._watched.setdefault(name, _Watched(completed_at=now))
            completed, failed = self._in_window(name, watched, now)
            state = self._state(watched, completed, failed, max(watched.completed_at, self._begun), now)
            if state != watched.state:
                failure = self._tally.failures.get(name) if state == "failing" else None
                changes.append(Change(name, state, watched.state, completed, failed, failure))
                watched.state = state
        return changes

    def states(self) -> dict[str, State]:
        """Return the state of each journey, as of the last look."""
        return {name: watched.state for name, watched in self._watched.items()}

    def window_of(self, journey: str) -> tuple[int, int]:
        """Return how many journeys of this name completed and failed in the window, as of the last look."""
        counts = self._watched[journey].counts
        return counts[-1][1] - counts[0][1], counts[-1][2] - counts[0][2]

    def _in_window(self, name: str, watched: _Watched, now: float) -> tuple[int, int]:
        completed, failed = self._tally.of(name, "completed"), self._tally.of(name, "failed")
        counts = watched.counts
        if not counts:
            counts.append((self._begun, 0, 0))
        if completed > counts[-1][1]:
            watched.completed_at = now
        counts.append((now, completed, failed))
        while len(counts) > 2 and counts[1][0] <= now - self._rule.window:
            counts.popleft()
        return completed - counts[0][1], failed - counts[0][2]

    def _state(self, watched: _Watched, completed: int, failed: int, completed_at: float, now: float) -> State:
        ended = completed + failed
        if ended >= self._rule.minimum and completed < self._rule.ratio * ended:
            return "failing"
        if now - completed_at > self._rule.fresh:
            return "stale"
        if completed:
            return "healthy"
        return "unknown" if watched.state in ("unknown", "stale") else watched.state
