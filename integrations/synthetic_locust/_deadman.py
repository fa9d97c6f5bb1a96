"""A worker that does not hear from its master any more stops its actors. Locust's own takes a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import gevent  # type: ignore[import-untyped]

__all__ = ["PATIENCE", "Deadman"]

PATIENCE: Final = 5.0
"""Seconds without a heartbeat of the master. They come each second, and later on a busy machine."""

_LONGEST: Final = 60.0
"""Seconds after which a worker without actors ends as well, as with Locust's own: its master does not know it."""

_PAUSE: Final = 0.25


class Deadman:
    """Calls ``stop`` once if no heartbeat arrives for ``PATIENCE`` seconds while actors act, or for a minute."""

    def __init__(self, acts: Callable[[], bool], stop: Callable[[str], object]) -> None:
        self._acts = acts
        self._stop = stop
        self._heard = time.monotonic()

    def hear(self, **_: Any) -> None:
        """Note a heartbeat: a listener of Locust's event ``heartbeat_received``."""
        self._heard = time.monotonic()

    def watch(self) -> None:
        """Look again and again. This is a greenlet of its own."""
        looked = time.monotonic()
        while True:
            gevent.sleep(_PAUSE)
            now = time.monotonic()
            # A process that was held up itself has yet to read what its master has sent meanwhile.
            self._heard = min(now, self._heard + max(0.0, now - looked - 2 * _PAUSE))
            looked = now
            silent = now - self._heard
            if silent > (PATIENCE if self._acts() else _LONGEST):
                self._stop(f"no word from the master for {silent:.1f} s")
                return
