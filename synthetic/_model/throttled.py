"""Warnings with a limited rate, so that a flood of requests does not flood the log."""

from __future__ import annotations

import logging
import time

__all__ = ["ThrottledLog"]

_log = logging.getLogger("synthetic")


class ThrottledLog:
    """Logs at most one warning per second for each subject, with the number of those held back."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._next: dict[str, float] = {}

    def warn(self, subject: str, message: str) -> None:
        """Log ``message``, unless ``subject`` was logged within the last second."""
        now = time.monotonic()
        if now < self._next.get(subject, 0):
            self._held[subject] = self._held.get(subject, 0) + 1
            return
        self._next[subject] = now + 1
        held = self._held.pop(subject, 0)
        more = f" ({held} more since the last such line)" if held else ""
        _log.warning("%s%s", message, more)
