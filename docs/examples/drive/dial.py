"""Turns the dial: a document that says how many simulated users act, and until when."""

from __future__ import annotations

import json
import os
import time
from itertools import pairwise
from pathlib import Path

LEASE_SECONDS = 5
"""If the demo dies, nobody acts soon after."""

CURVE = ((0.0, 0.0), (0.15, 0.0), (0.45, 1.0), (0.65, 1.0), (0.8, 0.0), (1.0, 0.0))
"""The share of the time of a run, and the share of the users who act then."""


def share_at(moment: float) -> float:
    """Return the share of users at a share of the time, between the points of the curve."""
    for (begin, before), (end, after) in pairwise(CURVE):
        if moment <= end:
            return before + (after - before) * (moment - begin) / (end - begin)
    return 0.0


def turn(dial: Path, users: int) -> None:
    """Have so many users act."""
    _write(dial, {"users": users, "rate": 100, "until": time.time() + LEASE_SECONDS})


def stop(dial: Path) -> None:
    """End the run."""
    _write(dial, {"stop": True})


def _write(dial: Path, document: dict[str, object]) -> None:
    """Write a new file and rename it: no reader sees half of it."""
    new = dial.with_suffix(".new")
    new.write_text(json.dumps(document), encoding="utf-8")
    os.replace(new, dial)
