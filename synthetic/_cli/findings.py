"""Findings: the lines of the doctor's report."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding", "Level"]

Level = Literal["ok", "note", "fix"]


class Finding(NamedTuple):
    """One line of the report. ``fix`` is a fault that loses or leaks markers; ``note`` is for you to decide."""

    section: str
    level: Level
    subject: str
    text: str
