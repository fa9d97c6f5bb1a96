"""Kinds of callables, and the context managers that ``contextlib`` makes."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any, Final, Literal, cast

__all__ = ["VISIBLE_KINDS", "Kind", "kind_of", "remade_manager"]

Kind = Literal["function", "coroutine", "generator", "async generator", "context manager", "async context manager"]
VISIBLE_KINDS: Final = ("coroutine", "generator", "async generator")
"""The kinds that ``inspect`` distinguishes from other callables, and that frameworks check."""

# Every context manager function that contextlib makes has one of these two code objects.
_CONTEXT_MANAGER: Final = cast("Any", contextlib.contextmanager(cast("Any", iter))).__code__
_ASYNC_CONTEXT_MANAGER: Final = cast("Any", contextlib.asynccontextmanager(cast("Any", iter))).__code__


def kind_of(function: Any) -> Kind:
    """Return the kind of a callable. Only functions that ``contextlib`` made are context managers."""
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


def remade_manager(kind: Kind, generator: Any) -> Any:
    """Return the context manager function that ``contextlib`` makes from a generator function."""
    if kind == "context manager":
        return contextlib.contextmanager(generator)
    return contextlib.asynccontextmanager(generator)
