"""Log lines with a limited rate, so that a flood of requests does not flood the log."""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["ThrottledLog"]

_log = logging.getLogger("synthetic")

_SUBJECTS: Final = 256
"""How many subjects are told apart. Later ones share one line per second until an earlier one has been silent."""

_OTHERS: Final = ""


class ThrottledLog:
    """Logs at most one line per second for each subject, with the number of those held back.

    A subject is best a name from code, such as an effect. Whatever it is, the memory is bounded.
    """

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._next: dict[str, float] = {}

    def warn(self, subject: str, message: str) -> None:
        """Log ``message`` as a warning, unless ``subject`` was logged within the last second."""
        self.log(logging.WARNING, subject, message)

    def log(self, level: int, subject: str, message: str, *, exc_info: BaseException | None = None) -> None:
        """Log ``message`` at ``level``, unless ``subject`` was logged within the last second."""
        now = time.monotonic()
        if subject not in self._next:
            subject = self._with_room(subject, now)
        if now < self._next.get(subject, 0):
            self._held[subject] = self._held.get(subject, 0) + 1
            return
        self._next[subject] = now + 1
        held = self._held.pop(subject, 0)
        more = f" ({held} more since the last such line)" if held else ""
        _log.log(level, "%s%s", message, more, exc_info=exc_info)

    def _with_room(self, subject: str, now: float) -> str:
        """Return the subject to log under, after forgetting those that were silent if there are too many."""
        if len(self._next) < _SUBJECTS:
            return subject
        for known, until in list(self._next.items()):
            if until <= now:
                self._next.pop(known, None)
                self._held[_OTHERS] = self._held.get(_OTHERS, 0) + self._held.pop(known, 0)
        return subject if len(self._next) < _SUBJECTS else _OTHERS
