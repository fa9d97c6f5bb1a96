"""``eventlet.tpool``: each call runs under its caller's verdict; the threads and the greenlet of the pool have none."""

from __future__ import annotations

from contextvars import Context
from functools import wraps
from typing import Any

from synthetic.integration import IsOn, LatePatches, Patch, job_of

__all__ = ["TPOOL"]


def _executing(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def execute(meth: Any, *args: Any, **kwargs: Any) -> Any:
        return original(job_of(meth) if is_on() else meth, *args, **kwargs)

    return execute


def _setting_up(original: Any, is_on: IsOn) -> Any:
    """Wrap ``setup``: the first call starts the threads and the greenlet that serve all calls."""

    @wraps(original)
    def setup() -> Any:
        return Context().run(original) if is_on() else original()

    return setup


TPOOL = LatePatches(
    "eventlet.tpool",
    lambda tpool: [Patch(tpool, "execute", _executing), Patch(tpool, "setup", _setting_up)],
)
"""Applied once it is imported, because the import makes copies of modules."""
