"""``guard_target``: a guard on someone else's function, put there when its module is imported."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from synthetic._guard import UNSET, Terms, make_guard
from synthetic.errors import ConfigurationError

__all__ = ["GuardedTarget", "guard_target"]

_lock = threading.RLock()
_targets: dict[str, GuardedTarget] = {}


class GuardedTarget:
    """A guard on a target that lives elsewhere; ``undo()`` takes it off."""

    def __init__(self, target: str, effect: str, instead: Callable[..., Any] | None, returns: Any) -> None:
        self.target = target
        self.effect = effect
        self._decorate = make_guard(Terms(effect, instead, returns, lambda: self._is_undone))
        self._module, _, self._path = target.partition(":")
        self._restore: list[Callable[[], None]] = []
        self._is_undone = False

    def __repr__(self) -> str:
        state = "undone" if self._is_undone else "guarded" if self._restore else "not imported yet"
        return f"<guard {self.effect!r} on {self.target}: {state}>"

    def undo(self) -> None:
        """Take the guard off, or the wish to put it there. A second time does nothing."""
        with _lock:
            if self._is_undone:
                return
            self._is_undone = True
            del _targets[self.target]
            for restore in reversed(self._restore):
                restore()

    def apply(self, module: ModuleType) -> None:
        """Put the guard on, now that its module is imported."""
        with _lock:
            if self._is_undone or self._restore:
                return
            parent, name, original = _resolve(module, self._path, self.target)
            guarded = self._decorate(original)
            self._replace(parent, name, original, guarded)
            if parent is module:
                self._replace_aliases(name, original, guarded)

    def _replace_aliases(self, name: str, original: Any, guarded: Any) -> None:
        """Guard the function also where another module has imported it by name already."""
        for module in list(sys.modules.values()):
            for alias, value in list(getattr(module, "__dict__", {}).items()):
                if value is original:
                    self._replace(module, alias, original, guarded)

    def _replace(self, parent: Any, name: str, original: Any, guarded: Any) -> None:
        is_inherited = isinstance(parent, type) and name not in vars(parent)

        def restore() -> None:
            if vars(parent).get(name) is not guarded:
                return  # somebody else has patched over it since: ours stays below theirs and does nothing
            if is_inherited:
                delattr(parent, name)
            else:
                setattr(parent, name, original)

        setattr(parent, name, guarded)
        self._restore.append(restore)


def guard_target(
    target: str, effect: str, *, instead: Callable[..., Any] | None = None, returns: Any = UNSET
) -> GuardedTarget:
    """Guard someone else's function or method, named ``"package.module:Class.method"``.

    It is guarded now if its module is imported, else when it is; names that other modules have imported are guarded
    too. The other arguments are those of ``guard``. Called again with the same effect, it returns the guard that is
    there. ``undo()`` on what is returned takes it off.

    Raises ConfigurationError where there is no such module, and, now or at the import, where it has no such attribute.
    """
    module, _, path = target.partition(":")
    if not module or not path:
        raise ConfigurationError(f"{target!r} is not a target; one that works: 'package.module:Class.method'")
    if _is_being_imported(module):
        # Waits for another thread that imports it, before our lock is taken: that thread may want it.
        importlib.import_module(module)
    elif module not in sys.modules and not _exists(module):
        raise ConfigurationError(f"cannot guard {target}: there is no module {module!r}; is it installed?")
    with _lock:
        present = _targets.get(target)
        if present is None:
            return _put(GuardedTarget(target, effect, instead, returns), module)
        if present.effect != effect:
            raise ConfigurationError(
                f"{target} is already guarded for the effect {present.effect!r}; undo() that guard first"
            )
        return present


def _put(guarded: GuardedTarget, module: str) -> GuardedTarget:
    _targets[guarded.target] = guarded
    try:
        if module in sys.modules:
            guarded.apply(sys.modules[module])
        else:
            wrapt.register_post_import_hook(guarded.apply, module)
    except BaseException:
        del _targets[guarded.target]
        raise
    return guarded


def _is_being_imported(module: str) -> bool:
    return bool(getattr(getattr(sys.modules.get(module), "__spec__", None), "_initializing", False))


def _exists(module: str) -> bool:
    """Whether a module can be found, without importing it or its parents."""
    path: Any = None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        if name in sys.builtin_module_names or name in sys.modules:
            path = getattr(sys.modules.get(name), "__path__", None)
            continue
        spec = next((found for found in (_find(finder, name, path) for finder in sys.meta_path) if found), None)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return True


def _find(finder: Any, name: str, path: Any) -> importlib.machinery.ModuleSpec | None:
    find_spec = getattr(finder, "find_spec", None)
    # wrapt's finder imports what it looks for.
    if find_spec is None or type(finder).__module__.startswith("wrapt"):
        return None
    found: importlib.machinery.ModuleSpec | None = find_spec(name, path)
    return found


def _resolve(module: ModuleType, path: str, target: str) -> tuple[Any, str, Any]:
    """The object that has the last name of ``path``, that name, and the raw value under it."""
    *parents, name = path.split(".")
    parent: Any = module
    try:
        for step in parents:
            parent = getattr(parent, step)
        value = getattr(parent, name)
    except AttributeError as error:
        raise ConfigurationError(f"cannot guard {target}: {error}") from None
    if isinstance(parent, type):
        value = next(vars(cls)[name] for cls in parent.__mro__ if name in vars(cls))
    return parent, name, value
