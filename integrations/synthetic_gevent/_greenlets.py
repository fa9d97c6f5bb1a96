"""Greenlets run under the verdict of the work that starts them."""

from __future__ import annotations

from functools import wraps
from typing import Any

import gevent.hub  # type: ignore[import-untyped]
from gevent import Greenlet

from synthetic.integration import IsOn, Patch, carry_into, is_pool_thread, marked_verdict

__all__ = ["RAW", "SPAWNED"]


def _starting(greenlet: Any) -> None:
    """Carry the verdict into a ``Greenlet`` that is started, now or later. The worker of a pool gets none."""
    verdict = marked_verdict()
    if verdict is not None and not is_pool_thread(greenlet._run):
        carry_into(greenlet, verdict)


class _Spawned:
    """A callback that gevent calls for each ``Greenlet``: the class is compiled, and cannot be patched."""

    def put_on(self) -> None:
        Greenlet.add_spawn_callback(_starting)  # a set holds the callbacks

    def take_off(self) -> None:
        Greenlet.remove_spawn_callback(_starting)


SPAWNED = _Spawned()


def _making(original: Any, is_on: IsOn) -> Any:
    """Wrap the class of the greenlets of ``spawn_raw``, for which gevent calls no spawn callback.

    Not ``spawn_raw`` itself, because gevent's own modules, too, import it by name.
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
"""gevent uses one or the other, depending on its setting ``track_greenlet_tree``."""
