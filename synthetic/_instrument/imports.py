"""Patches on modules that may be imported later.

They use wrapt's import hooks, which run once, after the first import. That is enough for a patch on a class. If the
module has changed and a patch fails, the error is logged and the import goes on. ``guard_target`` has its own finder:
a guard must be in place before other code sees the module, and again after every reload, and a guard that fails must
fail the import.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import wrapt

from synthetic._instrument.patches import Patch

__all__ = ["LatePatches"]

_log = logging.getLogger("synthetic")


class LatePatches:
    """Patches on a module, applied once it is imported. They do not import it themselves.

    ``patches_on(module)`` returns the patches.
    """

    def __init__(self, module: str, patches_on: Callable[[Any], Iterable[Patch]]) -> None:
        self._module = module
        self._patches_on = patches_on
        self._patches: tuple[Patch, ...] | None = None
        self._is_on = False
        self._is_awaited = False
        self._lock = threading.Lock()

    def put_on(self) -> None:
        """Apply every patch now, or when the module is imported."""
        with self._lock:
            self._is_on = True
            is_to_await, self._is_awaited = not self._is_awaited, True
        if is_to_await:
            wrapt.register_post_import_hook(self._imported, self._module)
        # After the registration, for an import that ends in between. Without the lock, for this waits for the import.
        if sys.modules.get(self._module):
            module = import_module(self._module)
            with self._lock:
                if self._is_on:
                    self._put_on(module)

    def take_off(self) -> None:
        """Remove every patch, the last one first. An import after that applies none."""
        with self._lock:
            self._is_on = False
            for patch in reversed(self._patches or ()):
                patch.take_off()

    def _imported(self, module: Any) -> None:
        # wrapt calls this even while another thread still imports the module: wait for that.
        whole = import_module(self._module)
        with self._lock:
            if self._is_on:
                try:
                    self._put_on(whole)
                except Exception:
                    # Raising would fail the application's import.
                    _log.exception("%s cannot be instrumented, so it carries no marker", self._module)

    def _put_on(self, module: Any) -> None:
        if self._patches is None:
            self._patches = tuple(self._patches_on(module))
        try:
            for patch in self._patches:
                patch.put_on()
        except BaseException:
            for patch in reversed(self._patches):
                patch.take_off()
            raise
