"""What a skipped call returns, for each kind of callable."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager  # pyright: ignore[reportPrivateUsage]
from types import FrameType
from typing import Any, Final, TypeVar, cast

from synthetic._model.callables import Kind

__all__ = ["awaitable", "excludes_none", "skipped", "yielding"]

# contextlib enters every context manager from one of these.
_MADE_INTO_MANAGER: Final = cast("Any", _GeneratorContextManager).__init__.__code__
_MADE_INTO_ASYNC_MANAGER: Final = cast("Any", _AsyncGeneratorContextManager).__init__.__code__


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


def _is_for_context_manager() -> bool:
    """Whether ``contextlib`` made the call that is being decided. It needs exactly one value.

    The frames in between belong to this module, to guards (which may be nested), and to wrapt without its C extension.
    """
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("wrapt", "synthetic"):
        frame = frame.f_back
    return frame is not None and frame.f_code in (_MADE_INTO_MANAGER, _MADE_INTO_ASYNC_MANAGER)


def yielding(kind: Kind, instead: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return a generator function that does the same as a substitute which returns a context manager."""
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
    """Return what a skipped call of this kind returns, with ``value`` as its result."""
    if kind == "coroutine":
        return awaitable(value)
    if kind == "generator":
        return _once(value) if _is_for_context_manager() else _nothing()
    if kind == "async generator":
        return _async_once(value) if _is_for_context_manager() else _async_nothing()
    return value


async def awaitable(value: Any) -> Any:
    """Return ``value`` when awaited."""
    return value


def excludes_none(function: Any) -> bool:
    """Whether the result has an annotation that excludes None."""
    import types
    import typing

    try:
        annotated = typing.get_type_hints(function).get("return", Any)
    except Exception:  # an annotation that cannot be evaluated excludes nothing
        return False
    if typing.get_origin(annotated) in (typing.Union, types.UnionType):
        return type(None) not in typing.get_args(annotated)
    return annotated not in (Any, None, type(None), object) and not isinstance(annotated, TypeVar)
