"""Patches on somebody else's class or module: put on once, taken off again, in any order with those of others."""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, cast

import wrapt

__all__ = ["IsOn", "LatePatches", "Patch", "Patches", "always_on"]

_log = logging.getLogger("synthetic")

IsOn = Callable[[], bool]
"""Whether a wrapper is to do its work: below another's wrapper it stays in place and must do nothing."""


def always_on() -> bool:
    """Return True: for what wraps without a patch, where somebody asks for it by name."""
    return True


class Patch:
    """A wrapper around the attribute ``name`` of ``owner``, a class or a module.

    ``wrap(original, is_on)`` returns the wrapper. It has the original as ``__wrapped__``, as ``functools.wraps`` sets
    it, and passes calls on as they are while ``is_on()`` is False. ``original`` is what a class has in its dictionary:
    a plain function, a ``staticmethod``, a ``classmethod``.
    """

    def __init__(self, owner: Any, name: str, wrap: Callable[[Any, IsOn], Any]) -> None:
        self._owner = owner
        self._name = name
        self._wrap = wrap
        self._is_on = False
        self._ours: Any = None
        self._original: Any = None
        self._is_own = False

    def put_on(self) -> None:
        """Wrap, unless our wrapper is there, or below what others have wrapped around it since."""
        if not self._is_in_place():
            self._is_own = self._name in vars(self._owner)
            self._original = self._present()
            self._ours = self._wrap(_callable(self._original), lambda: self._is_on)
            setattr(self._owner, self._name, self._ours)
        self._is_on = True

    def take_off(self) -> None:
        """Put the original back; below a wrapper of another, ours stays and does nothing."""
        self._is_on = False
        if self._ours is not None and self._own().get(self._name) is self._ours:
            if self._is_own:
                setattr(self._owner, self._name, self._original)
            else:
                delattr(self._owner, self._name)
            self._ours = None

    def _own(self) -> dict[str, Any]:
        return cast("dict[str, Any]", vars(self._owner))

    def _present(self) -> Any:
        classes = self._owner.__mro__ if isinstance(self._owner, type) else (self._owner,)
        for owner in classes:
            if self._name in vars(owner):
                return vars(owner)[self._name]
        return getattr(self._owner, self._name)

    def _is_in_place(self) -> bool:
        present = self._present() if self._ours is not None else None
        while present is not None and present is not self._ours:
            present = getattr(present, "__wrapped__", None)
        return present is not None


def _callable(original: Any) -> Any:
    """What a wrapper may call with the instance as first argument; somebody's wrapt wrapper wants to be bound first."""
    theirs: Any = wrapt.FunctionWrapper
    if not isinstance(original, theirs) or getattr(original, "_self_binding", "") != "function":
        return original
    wrapper: Any = original

    def bound(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return wrapper.__get__(instance, instance.__class__)(*args, **kwargs)

    return functools.update_wrapper(cast("Any", bound), wrapper)


class LatePatches:
    """The patches on what a module has, from when that is imported on: nothing is imported for them.

    ``patches_on(module)`` returns them.
    """

    def __init__(self, module: str, patches_on: Callable[[Any], Iterable[Patch]]) -> None:
        self._module = module
        self._patches_on = patches_on
        self._patches: tuple[Patch, ...] | None = None
        self._is_on = False
        self._is_awaited = False
        self._lock = threading.Lock()

    def put_on(self) -> None:
        """Put every patch on now, or when the module is imported."""
        with self._lock:
            self._is_on = True
            is_to_await, self._is_awaited = not self._is_awaited, True
        if is_to_await:
            wrapt.register_post_import_hook(self._imported, self._module)
        # After that, for an import that ends in between; and not under the lock, for this waits for that end.
        if sys.modules.get(self._module):
            module = import_module(self._module)
            with self._lock:
                if self._is_on:
                    self._put_on(module)

    def take_off(self) -> None:
        """Take every patch off that is on, the last one first; none goes on any more."""
        with self._lock:
            self._is_on = False
            for patch in reversed(self._patches or ()):
                patch.take_off()

    def _imported(self, module: Any) -> None:
        # wrapt calls this at once for what another thread has only begun to import: this waits for it.
        whole = import_module(self._module)
        with self._lock:
            if self._is_on:
                try:
                    self._put_on(whole)
                except Exception:
                    # It is somebody's import that would fail.
                    _log.exception("%s cannot be instrumented, and carries no marker", self._module)

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


class Patches:
    """An ``Integration`` that consists of patches. All go on, or none does."""

    def __init__(self, *patches: Patch | LatePatches) -> None:
        self._patches = patches
        self._lock = threading.Lock()

    def instrument(self) -> None:
        """Put every patch on that is not on."""
        with self._lock:
            try:
                for patch in self._patches:
                    patch.put_on()
            except BaseException:
                self._take_off()
                raise

    def uninstrument(self) -> None:
        """Take every patch off that is on, the last one first."""
        with self._lock:
            self._take_off()

    def _take_off(self) -> None:
        for patch in reversed(self._patches):
            patch.take_off()
