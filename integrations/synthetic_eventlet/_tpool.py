"""``eventlet.tpool``: each call runs under the verdict of whoever makes it, its threads and its greenlet have none."""

from __future__ import annotations

from contextvars import Context
from functools import wraps
from typing import Any

from synthetic._job import job_of
from synthetic._patch import IsOn, LatePatches, Patch

__all__ = ["TPOOL"]


def _executing(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def execute(meth: Any, *args: Any, **kwargs: Any) -> Any:
        return original(job_of(meth) if is_on() else meth, *args, **kwargs)

    return execute


def _setting_up(original: Any, is_on: IsOn) -> Any:
    """Wrap ``setup``: the first call starts what serves all the others."""

    @wraps(original)
    def setup() -> Any:
        return Context().run(original) if is_on() else original()

    return setup


TPOOL = LatePatches(
    "eventlet.tpool",
    lambda tpool: [Patch(tpool, "execute", _executing), Patch(tpool, "setup", _setting_up)],
)
"""Not before it is imported, for that makes copies of modules."""
