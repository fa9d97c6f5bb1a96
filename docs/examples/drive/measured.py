"""What was measured in one run, second by second, and what follows from it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from json import loads
from typing import Any, NamedTuple

from services import Service

WINDOW = 2.0
"""Seconds of real requests that a percentile of the moment is about."""


class Point(NamedTuple):
    """How things were at one time of a run. Times of real requests are in milliseconds; None if none was answered."""

    second: float
    users: int
    p50: float | None
    p99: float | None
    answered: float
    """Simulated requests per second."""
    shed: float


@dataclass
class Run:
    """One run of the dial, with one setting of the service."""

    name: str
    shed: str | None
    points: list[Point] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    """The times of real requests with the dial at 0."""
    loaded: list[float] = field(default_factory=list)
    """Those with the dial in the upper half."""
    failed: int = 0


class Latest:
    """Reads what a process prints, in a thread, and keeps the lines of the last seconds."""

    def __init__(self, process: Service) -> None:
        self._lines: deque[tuple[float, Any]] = deque(maxlen=64)
        self._new: list[Any] = []
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._process.lines():
                said = loads(line)
                self._lines.append((time.monotonic(), said))
                self._new.append(said)
        except ValueError:  # the end of a process that was killed
            pass

    def new(self) -> list[Any]:
        """Return the lines that have come since the last call."""
        new, self._new = self._new, []
        return new

    def within(self, seconds: float) -> Iterator[tuple[float, Any]]:
        """Return the lines of the last ``seconds``, with their times."""
        since = time.monotonic() - seconds
        return ((when, said) for when, said in tuple(self._lines) if when >= since)

    def rate(self, name: str) -> float:
        """Return by how much a number grows each second, of late."""
        lines = list(self.within(WINDOW))
        if len(lines) < 2 or lines[-1][0] == lines[0][0]:
            return 0.0
        return (lines[-1][1][name] - lines[0][1][name]) / (lines[-1][0] - lines[0][0])


def percentile(times: Sequence[float], share: float) -> float | None:
    """Return the nearest rank; None if there are no times."""
    if not times:
        return None
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]
