"""The dial as a Locust shape. We ramp from tick to tick: Locust's own ramp would be deaf to the dial until its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, cast

import gevent  # type: ignore[import-untyped]
from locust import LoadTestShape

import synthetic
from synthetic_locust._dial import CLOCKS, Setting, is_url, read

__all__ = ["Dial"]

_log = logging.getLogger("synthetic.drive")

_AT_ONCE: Final = 100.0
"""Users per second: each tick of ours is a small step, which Locust takes at once. It warns of more than that."""

PAUSE: Final = 0.25
"""Seconds between two readings of a file; a URL is read once a second."""


class Dial(LoadTestShape):
    """Follows the dial at ``source``, up to ``ceiling`` users.

    A dial that cannot be read, or whose lease is over, means nobody. ``on_stop`` is called once if it says stop.
    """

    abstract = True

    def __init__(self, source: str, ceiling: int | None, on_stop: Callable[[str], object]) -> None:
        cast("Any", super()).__init__()
        self.source = source
        self._ceiling = ceiling
        self._on_stop = on_stop
        self._setting = Setting(0)
        self._said = ""
        self._users: float = 0

    def follow(self) -> None:
        """Read the dial again and again, until it says stop. This is a greenlet of its own."""
        while not self._setting.is_stop:
            self._setting = self._read()
            if self._setting.is_stop:
                self._on_stop("the dial says stop")
            gevent.sleep(1.0 if is_url(self.source) else PAUSE)

    def _read(self) -> Setting:
        now = time.time()
        try:
            with synthetic.real():  # a URL
                setting = read(self.source, now)
        except Exception as error:  # whatever it is: a dial that cannot be read means nobody
            self._say(f"{error}; nobody acts")
            return Setting(0)
        self._compare_clocks(setting, now)
        if not setting.is_stop:
            is_over = now >= setting.until
            self._say(f"the dial says {setting.users} users{', but its time is over: nobody acts' if is_over else ''}")
        return setting

    def _compare_clocks(self, setting: Setting, now: float) -> None:
        """Warn if the clock of whoever turned the dial differs from this one: the lease would be longer or shorter."""
        if setting.written is None or setting.written == self._setting.written:
            return
        # What was there before, or comes late over HTTP, may be old: then only the future tells.
        is_fresh = self._setting.written is not None and not is_url(self.source)
        ahead = setting.written - now
        if ahead > CLOCKS or (is_fresh and -ahead > CLOCKS):
            _log.warning(
                "the clock of whoever turns the dial is %+.0f s off this one, and the lease with it: set the clocks",
                ahead,
            )

    def _say(self, text: str) -> None:
        if text != self._said:
            _log.info("%s", text)
        self._said = text

    def tick(self) -> tuple[int, float] | None:
        """Return the next number of users, for Locust."""
        setting = self._setting.at(time.time())
        wanted = setting.users if self._ceiling is None else min(setting.users, self._ceiling)
        before = round(self._users)
        self._users = min(wanted, self._users + setting.rate) if wanted > self._users else wanted
        return round(self._users), max(_AT_ONCE, abs(round(self._users) - before))
