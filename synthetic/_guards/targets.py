"""``guard_target``: guard another library's function, once its module is imported."""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import sys
import threading
from collections.abc import Callable
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Final, cast

import wrapt

from synthetic._guards.guard import make_guard
from synthetic._guards.made import UNSET, Terms
from synthetic.errors import ConfigurationError

__all__ = ["DefaultGuard", "GuardedTarget", "awaited", "guard_target"]

_lock = threading.RLock()
_targets: dict[str, GuardedTarget] = {}


class GuardedTarget:
    """A guard on another library's function. ``undo()`` removes it."""

    def __init__(self, target: str, effect: str, instead: Callable[..., Any] | None, returns: Any) -> None:
        self.target = target
        self.effect = effect
        self.terms: Final = Terms(effect, instead, returns)
        self.module: str
        self.module, _, self._path = target.partition(":")
        self._decorate = make_guard(self.terms._replace(is_off=lambda: self._is_undone))
        self._guarded: Any = None
        self._restore: list[Callable[[], None]] = []
        self._is_undone = False
        self.is_default = False
        """Whether an integration has set it, and not the application."""

    def __repr__(self) -> str:
        state = "undone" if self._is_undone else "guarded" if self._restore else "not imported yet"
        return f"<guard {self.effect!r} on {self.target}: {state}>"

    def undo(self) -> None:
        """Remove the guard, or cancel it if the module is not imported yet. A second call does nothing."""
        with _lock:
            if self._is_undone:
                return
            self._is_undone = True
            del _targets[self.target]
            self._take_back()

    def apply(self, module: ModuleType) -> None:
        """Apply the guard, unless it is in place. A module that was imported again has new functions."""
        parent, name, original = _resolve(module, self._path, self.target)
        if self._guarded is not None and _is_below(original, self._guarded):
            return
        try:
            guarded = self._decorate(original)
        except TypeError as error:
            raise ConfigurationError(f"cannot guard {self.target}: {error}") from None
        if isinstance(parent, type) and not _binds(original):
            guarded = staticmethod(guarded)  # a value that does not bind must not begin to
        self._guarded, self._restore = guarded, []
        try:
            self._replace(parent, name, original, guarded)
            if parent is module:
                self._replace_aliases(original, guarded)
        except BaseException as error:
            self._take_back()
            if isinstance(error, TypeError) and isinstance(parent, type):
                raise ConfigurationError(
                    f"cannot guard {self.target}: {parent.__name__} is a built-in type, which cannot be changed; guard "
                    "the function that calls it"
                ) from None
            raise

    def _take_back(self) -> None:
        for restore in reversed(self._restore):
            restore()

    def _replace_aliases(self, original: Any, guarded: Any) -> None:
        """Guard the function also where another module has imported it by name already."""
        for module in list(sys.modules.values()):
            for alias, value in list(getattr(module, "__dict__", {}).items()):
                if value is original:
                    self._replace(module, alias, original, guarded)

    def _replace(self, parent: Any, name: str, original: Any, guarded: Any) -> None:
        is_inherited = isinstance(parent, type) and name not in vars(parent)

        def restore() -> None:
            if vars(parent).get(name) is not guarded:
                return  # another patch is on top of the guard, which stays below it and does nothing
            if is_inherited:
                delattr(parent, name)
            else:
                setattr(parent, name, original)

        setattr(parent, name, guarded)
        self._restore.append(restore)


def guard_target(
    target: str, effect: str, *, instead: Callable[..., Any] | None = None, returns: Any = UNSET
) -> GuardedTarget:
    """Guard another library's function or method, named ``"package.module:Class.method"``.

    The function is guarded now if its module is imported, and otherwise at the import. Modules that have imported it by
    name get the guarded function too. The other arguments are those of ``guard``. A second call with the same arguments
    returns the existing guard, and applies it again if the module was reloaded. ``undo()`` on the result removes the
    guard. It replaces a guard that ``instrument()`` has set for an analytics library.

    Raises ConfigurationError if there is no such module, if it has no such attribute (now or at the import), or if the
    target already has a different guard.
    """
    module, _, path = target.partition(":")
    if not module or not path:
        raise ConfigurationError(f"{target!r} is not a target; one that works: 'package.module:Class.method'")
    if _is_being_imported(module):
        # Wait for the thread that imports it before taking the lock, which that thread may need.
        importlib.import_module(module)
    elif module not in sys.modules and not _exists(module):
        raise ConfigurationError(f"cannot guard {target}: there is no module {module!r}; is it installed?")
    with _lock:
        present = _targets.get(target)
        if present is not None and present.is_default and present.terms != Terms(effect, instead, returns):
            present.undo()
            present = None
        if present is None:
            present = GuardedTarget(target, effect, instead, returns)
        elif present.terms != Terms(effect, instead, returns):
            raise ConfigurationError(
                f"{target} is already guarded for the effect {present.effect!r}, with its own instead= or returns=; "
                "undo() that guard first"
            )
        if module in sys.modules:
            try:
                present.apply(sys.modules[module])
            except ConfigurationError as error:
                yet = " yet: it is still being imported" if _is_being_imported(module) else ""
                raise ConfigurationError(f"{error}{yet}") from None
        _watch_imports()
        _targets[target] = present
        return present


class DefaultGuard:
    """A guard that an integration sets on the function by which an application hands something over to a library.

    Two methods apply and remove it, as for a patch. A guard of the application on the same target wins. With
    ``is_optional``, the target need not exist in every version of the library.
    """

    def __init__(self, target: str, effect: str, *, returns: Any = UNSET, is_optional: bool = False) -> None:
        self.target = target
        self.effect = effect
        self._returns = returns
        self._is_optional = is_optional
        self._guard: GuardedTarget | None = None

    def put_on(self) -> None:
        """Set the guard. Raises ConfigurationError if the library has no such function."""
        with _lock:
            if self.target in _targets or (self._is_optional and not self._exists()):
                return
            self._guard = guard_target(self.target, self.effect, returns=self._returns)
            self._guard.is_default = True

    def take_off(self) -> None:
        """Remove the guard, unless the application has replaced it."""
        with _lock:
            if self._guard is not None and _targets.get(self.target) is self._guard:
                self._guard.undo()
            self._guard = None

    def _exists(self) -> bool:
        module, _, path = self.target.partition(":")
        try:
            functools.reduce(getattr, path.split("."), cast("Any", importlib.import_module(module)))
        except (ImportError, AttributeError):
            return False
        return True


def awaited() -> list[GuardedTarget]:
    """Return the guards whose module is not imported yet."""
    return [target for target in list(_targets.values()) if target.module not in sys.modules]


def _targets_of(module: str) -> list[GuardedTarget]:
    return [target for target in list(_targets.values()) if target.module == module]


def _guard_all(module: ModuleType) -> None:
    """Guard every target of a module that was just executed. Then raise the first error."""
    errors: list[ConfigurationError] = []
    with _lock:
        for target in _targets_of(module.__name__):
            try:
                target.apply(module)
            except ConfigurationError as error:
                errors.append(error)
    if errors:
        raise errors[0]


class _Finder:
    """A finder ahead of the others. The modules that they find are guarded at each import and each reload."""

    def __init__(self) -> None:
        self._at_work = threading.local()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        before: str | None = getattr(self._at_work, "name", None)
        if name == before or not _targets_of(name):
            return None  # another finder may ask all finders, this one included
        self._at_work.name = name
        try:
            spec = next(filter(None, (_found(finder, name, path, target) for finder in sys.meta_path)), None)
        finally:
            self._at_work.name = before
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = cast("Any", _Loader(spec.loader))
        return spec


class _Loader(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A module's own loader, which also guards the module that it has executed."""

    def exec_module(self, module: ModuleType) -> None:
        cast("Any", self).__wrapped__.exec_module(module)
        _guard_all(module)


_finder = _Finder()


def _watch_imports() -> None:
    """Put the finder ahead of the others, unless it is installed."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, cast("Any", _finder))


def _binds(value: object) -> bool:
    """Whether a value in a class binds to the object that it is read from."""
    if isinstance(value, functools.partial):
        return sys.version_info >= (3, 14)  # in 3.13 its __get__ only warns that it will
    return hasattr(type(value), "__get__")


def _is_below(present: Any, guarded: Any) -> bool:
    """Whether ``guarded`` is in place, possibly below wrappers of other libraries."""
    while present is not None and present is not guarded:
        present = getattr(present, "__wrapped__", None)
    return present is not None


def _is_being_imported(module: str) -> bool:
    return bool(getattr(getattr(sys.modules.get(module), "__spec__", None), "_initializing", False))


def _exists(module: str) -> bool:
    """Whether a module can be found, without importing it or its parents."""
    path: Any = None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        if name in sys.modules:
            path = getattr(sys.modules[name], "__path__", None)
            continue
        # wrapt's finder imports the module that it looks for.
        finders = [finder for finder in sys.meta_path if not type(finder).__module__.startswith("wrapt")]
        spec = next(filter(None, (_found(finder, name, path, None) for finder in finders)), None)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return True


def _found(finder: Any, name: str, path: Any, target: Any) -> importlib.machinery.ModuleSpec | None:
    find_spec = getattr(finder, "find_spec", None)
    found: importlib.machinery.ModuleSpec | None = find_spec(name, path, target) if find_spec else None
    return found


def _resolve(module: ModuleType, path: str, target: str) -> tuple[Any, str, Any]:
    """Return the object that has the last name of ``path``, that name, and its raw value."""
    *parents, name = path.split(".")
    parent: Any = module
    for step in parents:
        parent = _attribute(parent, step, target)
    value = _attribute(parent, name, target)
    if isinstance(parent, type):
        value = next((vars(cls)[name] for cls in parent.__mro__ if name in vars(cls)), value)
    return parent, name, value


def _attribute(parent: Any, name: str, target: str) -> Any:
    if hasattr(parent, name):
        return getattr(parent, name)
    owner = f"the module {parent.__name__!r}" if isinstance(parent, ModuleType) else repr(parent)
    close = get_close_matches(name, dir(parent), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigurationError(f"cannot guard {target}: {owner} has no attribute {name!r}{hint}")
