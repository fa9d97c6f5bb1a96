"""A guarded context manager that decorates a function decides at each call of the function."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any, NamedTuple

import pytest

import synthetic
from synthetic import guard, simulated
from synthetic.ledger import recorded


@pytest.fixture(autouse=True)
def configured(keys: dict[str, Any]) -> None:
    synthetic.configure(keys=keys)


class Substitute:
    """A context manager class, synchronous and asynchronous."""

    def __init__(self, entered: list[str]) -> None:
        self._entered = entered

    def __enter__(self) -> None:
        self._entered.append("fake")

    def __exit__(self, *error: object) -> None:
        self._entered.append("fake left")

    async def __aenter__(self) -> None:
        self._entered.append("fake")

    async def __aexit__(self, *error: object) -> None:
        self._entered.append("fake left")


class Made(NamedTuple):
    """A guarded context manager, and a helper that decorates a function with it."""

    over: Callable[..., Any]
    decorate: Callable[[Any], Callable[[], str]]


def made_sync(entered: list[str], **options: Any) -> Made:
    @guard("data-mutation", **options)
    @contextmanager
    def over() -> Iterator[None]:
        entered.append("real")
        yield
        entered.append("left")

    def decorate(decorator: Any) -> Callable[[], str]:
        @decorator
        def work() -> str:
            entered.append("work")
            return "done"

        return work  # type: ignore[no-any-return]

    return Made(over, decorate)


def made_async(entered: list[str], **options: Any) -> Made:
    @guard("data-mutation", **options)
    @asynccontextmanager
    async def over() -> AsyncIterator[None]:
        entered.append("real")
        yield
        entered.append("left")

    def decorate(decorator: Any) -> Callable[[], str]:
        @decorator
        async def work() -> str:
            entered.append("work")
            return "done"

        return lambda: asyncio.run(work())

    return Made(over, decorate)


def fake_manager(entered: list[str], make: Any) -> Callable[..., Any]:
    """A substitute from ``contextlib``, of the same kind as the manager that ``make`` guards."""
    if make is made_sync:

        @contextmanager
        def fake() -> Iterator[None]:
            entered.append("fake")
            yield
            entered.append("fake left")

        return fake

    @asynccontextmanager
    async def fake_later() -> AsyncIterator[None]:
        entered.append("fake")
        yield
        entered.append("fake left")

    return fake_later


SCOPES: dict[bool, Callable[[], Any]] = {True: lambda: simulated(run="rush-hour"), False: nullcontext}

kinds = pytest.mark.parametrize("make", [made_sync, made_async], ids=["contextmanager", "asynccontextmanager"])
decorations = pytest.mark.parametrize("decorated_as_simulated", [True, False], ids=["in simulated", "as real"])


@kinds
@decorations
def test_a_guarded_context_manager_as_a_decorator_decides_at_each_call(make: Any, decorated_as_simulated: bool) -> None:
    entered: list[str] = []
    over, decorate = make(entered)
    with SCOPES[decorated_as_simulated]():
        work = decorate(over())
    assert entered == []
    for is_simulated in (False, True, True, False):
        entered.clear()
        with recorded() as outcomes, SCOPES[is_simulated]():
            assert work() == "done"
        assert entered == (["work"] if is_simulated else ["real", "work", "left"])
        assert [outcome.action for outcome in outcomes] == (["skip"] if is_simulated else [])


@kinds
@decorations
@pytest.mark.parametrize("substitute", ["a context manager function", "a class", "a function that returns one"])
def test_a_substitute_is_entered_at_each_simulated_call(
    make: Any, decorated_as_simulated: bool, substitute: str
) -> None:
    entered: list[str] = []
    instead = {
        "a context manager function": fake_manager(entered, make),
        "a class": type("Bound", (Substitute,), {"__init__": lambda self: Substitute.__init__(self, entered)}),
        "a function that returns one": lambda: Substitute(entered),
    }[substitute]
    over, decorate = make(entered, instead=instead)
    with SCOPES[decorated_as_simulated]():
        work = decorate(over())
    for is_simulated in (True, False, True):
        entered.clear()
        with SCOPES[is_simulated]():
            assert work() == "done"
        assert entered == (["fake", "work", "fake left"] if is_simulated else ["real", "work", "left"])


class Store:
    """Guarded context managers as methods. Their substitute gets the same object."""

    def __init__(self) -> None:
        self.entered: list[str] = []

    def _fake(self, name: str) -> Substitute:
        self.entered.append(f"for {name}")
        return Substitute(self.entered)

    @guard("data-mutation")
    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        self.entered.append(f"real {name}")
        yield

    @guard("data-mutation", instead=_fake)
    @contextmanager
    def replaced(self, name: str) -> Iterator[None]:
        self.entered.append(f"real {name}")
        yield

    @guard("data-mutation")
    @asynccontextmanager
    async def locked_later(self, name: str) -> AsyncIterator[None]:
        self.entered.append(f"real {name}")
        yield

    @guard("data-mutation", instead=_fake)
    @asynccontextmanager
    async def replaced_later(self, name: str) -> AsyncIterator[None]:
        self.entered.append(f"real {name}")
        yield


@decorations
@pytest.mark.parametrize("method", ["locked", "replaced", "locked_later", "replaced_later"])
def test_a_guarded_method_as_a_decorator_decides_at_each_call(method: str, decorated_as_simulated: bool) -> None:
    store = Store()
    decorate = (made_async if method.endswith("later") else made_sync)([]).decorate
    with SCOPES[decorated_as_simulated]():
        work = decorate(getattr(store, method)("rides"))
    for is_simulated in (False, True, False):
        store.entered.clear()
        with SCOPES[is_simulated]():
            assert work() == "done"
        fake = ["for rides", "fake", "fake left"] if method.startswith("replaced") else []
        assert store.entered == (fake if is_simulated else ["real rides"])
