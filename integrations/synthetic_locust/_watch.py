"""Looks again and again, in a greenlet of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent  # type: ignore[import-untyped]

__all__ = ["watch"]

_log = logging.getLogger("synthetic.drive")


def watch(look: Callable[[], object], pause: float) -> None:
    """Call ``look`` each ``pause`` seconds. An error in it is logged, and the next look comes."""

    def go_on() -> None:
        while True:
            gevent.sleep(pause)
            try:
                look()
            except Exception:
                _log.exception("a look at the run has failed")

    gevent.spawn(go_on)
