"""``simulated()`` and ``real()`` on functions that would do their work after the call."""

from __future__ import annotations

import asyncio
import gc
import warnings
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

import synthetic
from synthetic import real, simulated
from tests.support.reporting import has_explicit_verdict


def generator() -> Any:
    yield 1


async def asynchronous_generator() -> Any:
    yield 1


both_scopes = pytest.mark.parametrize("scope", [real(), simulated(run="rush-hour")], ids=["real", "simulated"])


@pytest.mark.parametrize("function", [generator, asynchronous_generator])
@both_scopes
def test_generators_cannot_be_decorated(function: Any, scope: Any) -> None:
    with pytest.raises(TypeError, match=r"generator is an? .*generator: a verdict held across a yield would leak into"):
        scope(function)


@pytest.mark.parametrize("function", [contextmanager(generator), asynccontextmanager(asynchronous_generator)])
@both_scopes
def test_context_managers_cannot_be_decorated(function: Any, scope: Any) -> None:
    with pytest.raises(TypeError, match=r"generator is an? .*context manager: a verdict held across a yield"):
        scope(function)


class Awaitable:
    def __await__(self) -> Any:
        return (yield)


async def coroutine() -> None:
    raise AssertionError("it is never run")


def future() -> Any:
    loop = asyncio.new_event_loop()
    loop.close()
    return loop.create_future()


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (lambda: coroutine(), "coroutine"),
        (lambda: generator(), "generator"),
        (lambda: asynchronous_generator(), "async_generator"),
        (lambda: future(), "Future"),
        (lambda: Awaitable(), "Awaitable"),
    ],
    ids=["coroutine", "generator", "async generator", "future", "awaitable"],
)
@both_scopes
def test_calling_a_decorated_function_that_returns_deferred_work_raises(
    keys: dict[str, Any], made: Any, what: str, scope: Any
) -> None:
    synthetic.configure(keys=keys)

    @scope
    def work() -> Any:
        return made()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(
            TypeError, match=rf"work returns a {what}, whose work would run later, outside of the scope"
        ):
            work()
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert has_explicit_verdict() is False
