"""A controller that holds a measurement of real traffic below a limit by turning the dial.

Additive increase, multiplicative decrease (Chiu and Jain, *Analysis of the increase and decrease algorithms for
congestion avoidance in computer networks*, 1989): a few users more while the measurement is below the limit, and half
of them when it is above. Each setting is a short lease, so that nobody acts any more if this program dies.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from synthetic_locust._dial import says_stop, write
from synthetic_locust._guardrails import answer_to

__all__ = ["Step", "hold", "next_step"]

_PAUSE: Final = 5.0
"""Seconds between two turns of the dial: a query needs new measurements to see what the last one did."""

_LEASE: Final = 15.0
"""Seconds that a setting lasts: three turns."""

_STEPS: Final = 20
"""In how many turns the dial goes from nobody to the most users."""


class Step(NamedTuple):
    """One turn of the dial, and why."""

    users: int
    why: str


def next_step(users: int, most: int, value: float | None, below: float) -> Step:
    """Return the next number of users. ``value`` is the measurement, or None if there is none."""
    if value is None:
        return Step(0, "no answer")
    if not value < below:
        return Step(users // 2, f"{value:g} is not below {below:g}")
    more = min(most, users + max(1, most // _STEPS))
    return Step(more, f"{value:g} is below {below:g}")


def hold(file: Path, promql: str, below: float, prometheus: str, most: int) -> int:
    """Turn the dial until the program is interrupted, and then to nobody. Return the exit code.

    It ends as well if somebody else sets the dial to stop, and leaves that as it is.
    """
    users = 0
    try:
        while not says_stop(file):
            try:
                value: float | None = answer_to(prometheus, promql)
                problem = ""
            except Exception as error:
                value, problem = None, f": {error}"
            users, why = next_step(users, most, value, below)
            if not write(file, _setting(users), unless_stop=True):
                break
            print(f"{time.strftime('%H:%M:%S')} {users} users ({why}{problem})", flush=True)
            time.sleep(_PAUSE)
    except KeyboardInterrupt:
        if write(file, _setting(0), unless_stop=True):
            print(f"{file}: nobody")
            return 0
    print(f"{file}: it says stop, which stays")
    return 0


def _setting(users: int) -> dict[str, Any]:
    now = time.time()
    return {"users": users, "until": round(now + _LEASE, 1), "written": round(now, 1)}
