"""Patches on another library's class or module, which you apply and remove in any order with other patches."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Protocol, cast

import wrapt

__all__ = ["Applicable", "IsOn", "Patch", "Patches", "always_on"]

IsOn = Callable[[], bool]
"""Whether a wrapper should act. A removed wrapper may stay in place below another library's, and must do nothing."""


def always_on() -> bool:
    """Return True. Use it for a wrapper that is used without a patch."""
    return True


class Applicable(Protocol):
    """A patch, or several: it can be applied and removed any number of times, in any order with others."""

    def put_on(self) -> None:
        """Apply it, unless it is applied."""
        ...

    def take_off(self) -> None:
        """Remove it, if it is applied."""
        ...


class Patch:
    """A wrapper around the attribute ``name`` of ``owner``, a class or a module.

    ``wrap(original, is_on)`` returns the wrapper. The wrapper must have the original as ``__wrapped__``, which
    ``functools.wraps`` sets, and must pass calls on unchanged while ``is_on()`` is False. ``original`` is the raw value
    in the dictionary of a class: a plain function, a ``staticmethod`` or a ``classmethod``.
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
        """Apply the wrapper, unless it is in place, possibly below wrappers of other libraries."""
        if not self._is_in_place():
            self._is_own = self._name in vars(self._owner)
            self._original = self._present()
            self._ours = self._wrap(_callable(self._original), lambda: self._is_on)
            setattr(self._owner, self._name, self._ours)
        self._is_on = True

    def take_off(self) -> None:
        """Restore the original. Below a wrapper of another library, this wrapper stays and does nothing."""
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
    """Return a callable that takes the instance first. Another library's wrapt wrapper must be bound for that."""
    theirs: Any = wrapt.FunctionWrapper
    if not isinstance(original, theirs) or getattr(original, "_self_binding", "") != "function":
        return original
    wrapper: Any = original

    def bound(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return wrapper.__get__(instance, instance.__class__)(*args, **kwargs)

    return functools.update_wrapper(cast("Any", bound), wrapper)


class Patches:
    """An ``Integration`` made of patches. It applies all of them, or none."""

    def __init__(self, *patches: Applicable) -> None:
        self._patches = patches
        self._lock = threading.Lock()

    def instrument(self) -> None:
        """Apply every patch that is not applied. If one fails, remove all and raise its error."""
        with self._lock:
            try:
                for patch in self._patches:
                    patch.put_on()
            except BaseException:
                self._take_off()
                raise

    def uninstrument(self) -> None:
        """Remove every patch that is applied, the last one first."""
        with self._lock:
            self._take_off()

    def _take_off(self) -> None:
        for patch in reversed(self._patches):
            patch.take_off()
