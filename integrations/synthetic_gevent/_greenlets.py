"""Greenlets start under the verdict of whoever starts them."""

from __future__ import annotations

from functools import wraps
from typing import Any

import gevent.hub  # type: ignore[import-untyped]

from synthetic._greenlets import carry_into, is_pool_thread
from synthetic._job import marked_verdict
from synthetic._patch import IsOn, Patch

__all__ = ["RAW", "starting"]


def starting(greenlet: Any) -> None:
    """Carry the verdict into a ``Greenlet`` that is being started, now or later. A worker of a pool has none."""
    verdict = marked_verdict()
    if verdict is not None and not is_pool_thread(greenlet._run):
        carry_into(greenlet, verdict)


def _making(original: Any, is_on: IsOn) -> Any:
    """Wrap the class of what ``spawn_raw`` spawns, which tells nobody that it starts.

    Not ``spawn_raw`` itself, which is imported by name, by gevent's own modules, too.
    """

    @wraps(original, updated=())
    def make(*args: Any) -> Any:
        greenlet = original(*args)
        verdict = marked_verdict() if is_on() else None
        if verdict is not None:
            carry_into(greenlet, verdict)
        return greenlet

    return make


RAW = (Patch(gevent.hub, "TrackedRawGreenlet", _making), Patch(gevent.hub, "RawGreenlet", _making))
"""One or the other, by gevent's setting ``track_greenlet_tree``."""
