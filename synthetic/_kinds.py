"""What kind of callable a guard is on, and what each kind gives where it is skipped."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager  # pyright: ignore[reportPrivateUsage]
from types import FrameType
from typing import Any, Final, Literal, TypeVar, cast

__all__ = ["VISIBLE_KINDS", "Kind", "awaitable", "excludes_none", "kind_of", "remade_manager", "skipped", "yielding"]

Kind = Literal["function", "coroutine", "generator", "async generator", "context manager", "async context manager"]
VISIBLE_KINDS: Final = ("coroutine", "generator", "async generator")
"""What `inspect` tells from other callables, and frameworks ask it for."""


def _nothing() -> Iterator[Any]:
    return
    yield


async def _async_nothing() -> AsyncGenerator[Any, None]:
    return
    yield


def _once(value: Any) -> Generator[Any, None, None]:
    yield value


async def _async_once(value: Any) -> AsyncGenerator[Any, None]:
    yield value


# contextlib makes every context manager of one function from one piece of code, and enters them from another.
_CONTEXT_MANAGER: Final = cast("Any", contextlib.contextmanager(_once)).__code__
_ASYNC_CONTEXT_MANAGER: Final = cast("Any", contextlib.asynccontextmanager(_async_once)).__code__
_MADE_INTO_MANAGER: Final = cast("Any", _GeneratorContextManager).__init__.__code__
_MADE_INTO_ASYNC_MANAGER: Final = cast("Any", _AsyncGeneratorContextManager).__init__.__code__


def kind_of(function: Any) -> Kind:
    """Return the kind of a callable; a context manager is one that ``contextlib`` made."""
    code = getattr(function, "__code__", None)
    if code is _CONTEXT_MANAGER:
        return "context manager"
    if code is _ASYNC_CONTEXT_MANAGER:
        return "async context manager"
    for candidate in (function, getattr(function, "__call__", None)):  # noqa: B004 - the kind of a callable object
        if inspect.iscoroutinefunction(candidate):
            return "coroutine"
        if inspect.isasyncgenfunction(candidate):
            return "async generator"
        if inspect.isgeneratorfunction(candidate):
            return "generator"
    return "function"


def _is_for_context_manager() -> bool:
    """Whether the call that is being decided comes from ``contextlib``, which wants exactly one value.

    The frames between are this one, those of guards (several may be nested), and wrapt's where it has no C extension.
    """
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("wrapt", "synthetic"):
        frame = frame.f_back
    return frame is not None and frame.f_code in (_MADE_INTO_MANAGER, _MADE_INTO_ASYNC_MANAGER)


def remade_manager(kind: Kind, generator: Any) -> Any:
    """Return the context manager function that ``contextlib`` makes of a generator function."""
    if kind == "context manager":
        return contextlib.contextmanager(generator)
    return contextlib.asynccontextmanager(generator)


def yielding(kind: Kind, instead: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return a generator function that does what a substitute does which returns a context manager."""
    if instead is None:
        return None
    entered = _entered if kind == "context manager" else _async_entered
    return lambda *args, **kwargs: entered(instead(*args, **kwargs))


def _entered(manager: Any) -> Generator[Any, None, None]:
    with manager as value:
        yield value


async def _async_entered(manager: Any) -> AsyncGenerator[Any, None]:
    async with manager as value:
        yield value


def skipped(kind: Kind, value: Any) -> Any:
    """Return what a call of something of this kind gives that is skipped, with ``value`` for its result."""
    if kind == "coroutine":
        return awaitable(value)
    if kind == "generator":
        return _once(value) if _is_for_context_manager() else _nothing()
    if kind == "async generator":
        return _async_once(value) if _is_for_context_manager() else _async_nothing()
    return value


async def awaitable(value: Any) -> Any:
    """Give ``value``, once it is awaited."""
    return value


def excludes_none(function: Any) -> bool:
    """Whether the annotation of the result is there and leaves no room for None."""
    import types
    import typing

    try:
        annotated = typing.get_type_hints(function).get("return", Any)
    except Exception:  # an annotation that cannot be evaluated says nothing
        return False
    if typing.get_origin(annotated) in (typing.Union, types.UnionType):
        return type(None) not in typing.get_args(annotated)
    return annotated not in (Any, None, type(None), object) and not isinstance(annotated, TypeVar)
