"""``eventlet.tpool``: each call runs under the verdict of whoever makes it, its threads and its greenlet have none."""

from __future__ import annotations

from contextvars import Context
from functools import wraps
from types import ModuleType
from typing import Any

import wrapt

from synthetic._greenlets import to_carry
from synthetic._patch import IsOn, Patch, Patches
from synthetic_concurrency._job import Job

__all__ = ["Tpool"]


def _executing(original: Any, is_on: IsOn) -> Any:
    @wraps(original)
    def execute(meth: Any, *args: Any, **kwargs: Any) -> Any:
        verdict = to_carry() if is_on() else None
        return original(meth if verdict is None else Job(verdict, meth), *args, **kwargs)

    return execute


def _setting_up(original: Any, is_on: IsOn) -> Any:
    """Wrap ``setup``: the first call starts what serves all the others."""

    @wraps(original)
    def setup() -> Any:
        return Context().run(original) if is_on() else original()

    return setup


class Tpool:
    """The patches on the thread pool, from when it is imported on: importing it makes copies of modules."""

    def __init__(self) -> None:
        self._is_on = False
        self._is_awaited = False
        self._patches: Patches | None = None

    def instrument(self) -> None:
        self._is_on = True
        if self._patches is not None:
            self._patches.instrument()
        elif not self._is_awaited:
            self._is_awaited = True
            wrapt.register_post_import_hook(self._imported, "eventlet.tpool")

    def uninstrument(self) -> None:
        self._is_on = False
        if self._patches is not None:
            self._patches.uninstrument()

    def _imported(self, tpool: ModuleType) -> None:
        self._patches = Patches(Patch(tpool, "execute", _executing), Patch(tpool, "setup", _setting_up))
        if self._is_on:
            self._patches.instrument()
