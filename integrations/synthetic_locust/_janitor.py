"""Keeps Locust's statistics small: they have a number for each second of a run, for ever."""

from __future__ import annotations

import time
from typing import Any, Final, cast

from locust.stats import RequestStats

__all__ = ["PAUSE", "tidy"]

PAUSE: Final = 60.0
"""Seconds between two times."""

_KEPT: Final = 600
"""Seconds of which Locust's numbers per second are kept; it looks back 12."""

_HISTORY: Final = 720
"""Rows of the charts that are kept: one for each 5 seconds, so an hour."""

_ERRORS: Final = 500
"""Different errors that are kept. The oldest go first."""


def tidy(stats: RequestStats) -> None:
    """Drop what is old. The totals stay."""
    edge = int(time.time()) - _KEPT
    for entry in [stats.total, *stats.entries.values()]:
        for numbers in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
            for second in [second for second in numbers if second < edge]:
                del numbers[second]
    history: list[Any] = cast("Any", stats).history
    del history[:-_HISTORY]
    for key in list(stats.errors)[:-_ERRORS]:
        del stats.errors[key]
