"""``guard``: skip, substitute or refuse the side effect of a callable when the work is simulated.

A guard has one of two shapes. A plain function becomes a closure, which binds as a method, pickles without help, and
checks faster than an ``if`` in your code. A generator or asynchronous generator becomes a wrapt proxy: ``inspect`` must
still see its kind, and the decision must be made at the call, not at the first step. A coroutine function is the same,
but from Python 3.12 on, a closure can be marked as one.
"""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager  # pyright: ignore[reportPrivateUsage]
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast, overload

import wrapt

from synthetic._guards.decision import decide
from synthetic._guards.made import UNSET, Made, Terms
from synthetic._guards.skipped import awaitable, excludes_none, skipped, yielding
from synthetic._model.action import Action
from synthetic._model.callables import VISIBLE_KINDS, Kind, kind_of, remade_manager
from synthetic._model.marker import Marker
from synthetic._model.verdict import REAL
from synthetic._work.state import VERDICT, current, is_synthetic

__all__ = ["Guard", "GuardKeeping", "guard", "is_guard", "make_guard"]

_log = logging.getLogger("synthetic")

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
S = TypeVar("S")
Yields = TypeVar(
    "Yields",
    bound="Iterator[Any] | AsyncIterator[Any] | _GeneratorContextManager[Any] | _AsyncGeneratorContextManager[Any]",
)

_get_verdict = VERDICT.get


class Guard(Protocol):
    """The decorator for a guard that may skip, so that the result may be None."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[A, S, R]], /) -> Callable[P, Coroutine[A, S, R | None]]: ...
    @overload
    def __call__(self, function: Callable[P, Yields], /) -> Callable[P, Yields]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R | None]: ...


class GuardKeeping(Protocol):
    """The decorator for a guard with ``instead`` or ``returns``, which keeps the type."""

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def guard(effect: str) -> Guard: ...
@overload
def guard(effect: str, *, instead: Callable[..., Any]) -> GuardKeeping: ...
@overload
def guard(effect: str, *, returns: Any) -> GuardKeeping: ...
def guard(effect: str, *, instead: Callable[..., Any] | None = None, returns: Any = UNSET) -> Any:
    """Decorate a callable that has the side effect ``effect``.

    Real work calls it as usual. For simulated work, each call does what the policy of the environment says about the
    effect. If the policy does not name the effect, the call returns the result of ``instead`` with the same arguments,
    or ``returns``, or None. A skipped coroutine function returns an awaitable of the value, a skipped generator yields
    nothing, and a skipped context manager yields the value once.

    Decorating raises TypeError if you give both ``instead`` and ``returns``, or decorate anything but a function or
    method. Calls raise EffectRefused if the policy refuses the effect, and UnverifiedMarker for work whose marker does
    not verify.
    """
    return make_guard(Terms(effect, instead, returns))


def make_guard(terms: Terms) -> Callable[[Any], Any]:
    """Return the decorator."""
    effect, instead, returns, _ = terms
    if not isinstance(cast("object", effect), str) or not effect:
        raise TypeError(f"guard({effect!r}): the effect must be a name, as in @guard('payment')")
    if instead is not None and returns is not UNSET:
        raise TypeError(f"guard({effect!r}): instead= and returns= exclude each other; give one")
    if instead is not None and not callable(instead):
        raise TypeError(f"guard({effect!r}): instead={instead!r} is not callable")

    def decorate(function: Any) -> Any:
        return _decorated(function, terms)

    return decorate


def _decorated(function: Any, terms: Terms) -> Any:
    if isinstance(function, (staticmethod, classmethod)):
        method = cast("staticmethod[..., Any]", function)
        return type(method)(_decorated(method.__func__, terms))
    if inspect.isclass(function) or not callable(function):
        what = f"the class {function.__name__}" if inspect.isclass(function) else repr(function)
        hint = "Put @property above @guard." if isinstance(function, property) else "Guard its methods."
        raise TypeError(f"guard({terms.effect!r}) is for functions and methods; {what} is neither. {hint}")
    kind = kind_of(function)
    if kind in ("context manager", "async context manager"):
        # Guarded below contextlib, which calls the function for each use, also when it is used as a decorator.
        return remade_manager(
            kind, _decorated(cast("Any", function).__wrapped__, terms._replace(instead=yielding(kind, terms.instead)))
        )
    site = _Site(function, terms)
    if sys.version_info >= (3, 12) and site.kind == "coroutine":
        return inspect.markcoroutinefunction(_closure(function, site))
    return _Proxy(function, site.decided, is_synthetic) if site.kind in VISIBLE_KINDS else _closure(function, site)


def _closure(function: Callable[..., Any], site: _Site) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if _get_verdict() is REAL or not is_synthetic():
            return function(*args, **kwargs)
        return site.decided(function, None, args, kwargs)

    functools.update_wrapper(guarded, function)
    return guarded


class _BoundProxy(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]
    """A guarded method of one object. It pickles and copies as a bound method does."""

    def __reduce__(self) -> Any:
        return getattr, (self.__self__, self.__name__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (self.__self__, self.__name__)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return getattr(copy.deepcopy(self.__self__, memo), self.__name__)


class _Proxy(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """A guard whose kind ``inspect`` sees. wrapt checks ``enabled`` in C: real work goes straight to the function."""

    __bound_function_wrapper__ = _BoundProxy

    def __init__(self, function: Any, decided: Any, enabled: Any) -> None:
        super().__init__(function, decided, enabled=enabled)  # pyright: ignore[reportUnknownMemberType]

    # It pickles and copies by name, as a function does.
    def __reduce__(self) -> Any:
        return cast("Any", self).__wrapped__.__qualname__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return cast("Any", self).__wrapped__.__qualname__

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


def is_guard(function: object) -> bool:
    """Whether a callable is a guarded one itself. A wrapper around it is not."""
    return type(function) in (_Proxy, _BoundProxy) or getattr(function, "__code__", None) is _GUARDED


class _Site(Made):
    """One guarded callable: its kind, its name, and the terms of its guard."""

    __slots__ = ("_has_warned", "kind")

    def __init__(self, function: Any, terms: Terms) -> None:
        super().__init__(function, _name_of(function), terms)
        self.kind: Kind = kind_of(function)
        self._has_warned = False

    def decided(self, function: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do what the policy says for simulated work. The arguments follow wrapt's calling convention."""
        effect, instead, returns, is_off = self.terms
        if is_off is not None and is_off():
            return function(*args, **kwargs)
        action = decide(
            effect,
            cast("Marker", current()),
            self.target,
            has_instead=instead is not None,
            has_returns=returns is not UNSET,
        )
        if action is Action.ALLOW:
            return function(*args, **kwargs)
        if action is Action.SUBSTITUTE and instead is not None:
            return self._substituted(instead, instance, args, kwargs)
        return self._skipped(function, returns)

    def _substituted(self, instead: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        # wrapt passes the instance of a bound method separately. The substitute gets it first, as the method does.
        result = instead(*args, **kwargs) if instance is None else instead(instance, *args, **kwargs)
        return awaitable(result) if self.kind == "coroutine" and not inspect.isawaitable(result) else result

    def _skipped(self, function: Any, returns: Any) -> Any:
        value = None if returns is UNSET else returns
        if returns is UNSET and self.kind in ("function", "coroutine"):
            self._warn_once(function)
        return skipped(self.kind, value)

    def _warn_once(self, function: Any) -> None:
        is_first, self._has_warned = not self._has_warned, True
        if is_first and excludes_none(function):
            _log.warning(
                "%s was skipped for simulated work and returned None, which its annotation excludes; "
                "give the guard returns= or instead=",
                self.target,
            )


_GUARDED: Final = _closure(len, cast("_Site", None)).__code__
"""The code of every guard that is a closure."""


def _name_of(function: Any) -> str:
    module = getattr(function, "__module__", None) or "builtins"
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{module}:{name}"
