"""Blocks that are exited in another order or in another context than they were entered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextvars import Context, copy_context
from itertools import permutations
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from opentelemetry import baggage, context

import synthetic
from synthetic import admitted, current, real, simulated
from synthetic._admission.messages import under, verdict_on_values
from synthetic._model.verdict import OUTLIVED, REAL, Simulated, Verdict
from synthetic._work.state import VERDICT, current_verdict
from tests.support.keys import entry, mint

Keys = dict[str, Any]

MAKERS: dict[str, Any] = {
    "simulated": lambda keys: simulated(run="rush-hour"),
    "real": lambda keys: real(),
    "a simulated message": lambda keys: admitted({"baggage": entry(mint(keys))}),
    "a real message": lambda keys: admitted({}),
}


@pytest.fixture(autouse=True)
def configured(keys: Keys, configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys)
    before = context.get_current()
    yield
    assert VERDICT.get() is None
    assert context.get_current() == before


def block(scope: Any) -> Iterator[None]:
    """A generator that holds ``scope`` open between its two steps."""
    with scope:
        yield


def simulated_now() -> Simulated:
    verdict = current_verdict()
    assert isinstance(verdict, Simulated)
    return verdict


@pytest.mark.parametrize("first", MAKERS)
@pytest.mark.parametrize("second", MAKERS)
def test_the_verdict_of_the_open_block_counts_in_either_exit_order(keys: Keys, first: str, second: str) -> None:
    for is_left_first in (0, 1):
        blocks, verdicts = [], []
        for name in (first, second):
            blocks.append(block(MAKERS[name](keys)))
            next(blocks[-1])
            verdicts.append(current_verdict())
        blocks[is_left_first].close()
        assert current_verdict() is verdicts[1 - is_left_first]
        blocks[1 - is_left_first].close()
        assert current_verdict() is None
        assert not any(verdict.is_simulated for verdict in verdicts if isinstance(verdict, Simulated))


@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_the_last_entered_open_block_counts_in_any_exit_order(order: tuple[int, ...]) -> None:
    scopes = [simulated(run="first"), real(), simulated(run="third"), real()]
    blocks = [block(scope) for scope in scopes]
    for one in blocks:
        next(one)
    still_open = [0, 1, 2, 3]
    for number in order:
        blocks[number].close()
        still_open.remove(number)
        marker = current()
        expected = {0: "first", 2: "third"}.get(still_open[-1]) if still_open else None
        assert (marker and marker.run) == expected


def test_two_blocks_of_one_scope_end_when_left_under_another() -> None:
    scope = simulated(run="rush-hour")
    first, second = block(scope), block(scope)
    next(first)
    verdicts = [simulated_now()]
    next(second)
    verdicts.append(simulated_now())
    on_top = block(real())
    next(on_top)
    first.close()
    second.close()
    assert current_verdict() is REAL
    on_top.close()
    assert not any(verdict.is_simulated for verdict in verdicts)


def test_interleaved_messages_acknowledged_in_order_leave_no_verdict_behind(keys: Keys) -> None:
    headers = [{"baggage": entry(mint(keys, claims={"run": run}))} for run in ("first", "second")]
    handlings = [admitted(header) for header in (*headers, {}, headers[0])]
    verdicts = []
    for handling in handlings:
        handling.__enter__()
        verdicts.append(current_verdict())
    for handling in handlings:
        handling.__exit__(None, None, None)
    assert current() is None
    assert not any(verdict.is_simulated for verdict in verdicts if isinstance(verdict, Simulated))


# Contexts that were copied


@pytest.mark.parametrize("name", ["simulated", "a simulated message"])
def test_a_block_inside_a_copied_context_does_not_affect_the_outer_block(keys: Keys, name: str) -> None:
    def inside() -> None:
        for scope in (real(), simulated(run="inner"), admitted({})):
            with scope:
                assert current_verdict() is not verdict
            assert current_verdict() is verdict

    with MAKERS[name](keys):
        verdict = simulated_now()
        copy_context().run(inside)
        assert current_verdict() is verdict
        assert verdict.is_simulated
    assert not verdict.is_simulated


def test_a_block_in_a_copied_context_may_outlive_the_outer_block() -> None:
    with simulated(run="outer"):
        verdict = simulated_now()
        copied = copy_context()
        inner = block(real())
        copied.run(next, inner)
    assert current() is None
    assert not verdict.is_simulated
    assert copied.run(current) is None
    copied.run(inner.close)
    assert copied.run(current_verdict) is OUTLIVED
    assert current() is None


@pytest.mark.parametrize("name", ["simulated", "a simulated message"])
def test_a_block_that_is_left_in_a_copied_context_is_over_where_it_was_entered_too(keys: Keys, name: str) -> None:
    scope = MAKERS[name](keys)
    scope.__enter__()
    copy_context().run(scope.__exit__, None, None, None)
    assert current_verdict() is OUTLIVED
    scope.__exit__(None, None, None)
    assert current_verdict() is None


def test_a_block_ends_when_its_generator_is_closed_in_another_task() -> None:
    """Whoever has stepped the generator last still holds the verdict of its block, and must not go on as simulated."""

    async def steps() -> AsyncGenerator[Simulated, None]:
        with simulated(run="rush-hour"):
            yield simulated_now()

    async def main() -> tuple[Simulated, Verdict | None]:
        generator = steps()
        verdict = await generator.__anext__()
        await asyncio.create_task(generator.aclose())
        return verdict, current_verdict()

    verdict, left = asyncio.run(main())
    assert not verdict.is_simulated
    assert left is OUTLIVED


# Blocks that are still suspended when their work ends


@pytest.mark.parametrize("later", [None, "peak"])
@pytest.mark.parametrize("inner", [real, lambda: simulated(run="inner")], ids=["real", "simulated"])
@pytest.mark.parametrize("first", [None, "rush-hour"])
def test_a_suspended_generator_of_a_message_does_not_affect_a_later_message(
    keys: Keys, first: str | None, inner: Any, later: str | None
) -> None:
    def message(run: str | None) -> Any:
        return verdict_on_values([] if run is None else [entry(mint(keys, claims={"run": run}))])

    def leaving_it_suspended() -> Iterator[None]:
        generator = block(inner())
        next(generator)
        return generator

    def ending(generator: Any) -> tuple[str | None, bool]:
        generator.close()
        marker = current()
        return marker and marker.run, VERDICT.get() is REAL

    generator = under(message(first), leaving_it_suspended)
    assert current_verdict() is None
    assert under(message(later), ending, generator) == (later, later is None)
    assert current_verdict() is None


def test_work_in_a_suspended_block_ends_with_its_message(keys: Keys) -> None:
    def leaving_it_suspended() -> tuple[Any, Simulated]:
        generator = block(simulated(run="inner"))
        next(generator)
        return generator, simulated_now()

    generator, verdict = under(REAL, leaving_it_suspended)
    assert not verdict.is_simulated
    generator.close()


def test_a_block_around_messages_outlives_them(keys: Keys) -> None:
    with simulated(run="around"):
        outer = current_verdict()
        with synthetic.real():
            under(REAL, lambda: next(block(simulated(run="inner"))))
            assert VERDICT.get() is REAL
        assert current_verdict() is outer


# Libraries that copy changes of the context back: asgiref


def run_told() -> str:
    try:
        marker = current()
    except synthetic.UnverifiedMarker as error:
        return error.reason.value
    return "not simulated" if marker is None else marker.run


def test_a_block_that_asgiref_enters_and_leaves_restores_the_verdict_from_before(keys: Keys) -> None:
    async def through(scope: Any) -> list[str]:
        enter, leave = sync_to_async(scope.__enter__), sync_to_async(scope.__exit__)
        await enter()
        inside = run_told()
        await leave(None, None, None)
        return [inside, run_told(), "baggage" if baggage.get_all() else "no baggage"]

    async def through_all() -> list[list[str]]:
        return [await through(make(keys)) for make in MAKERS.values()]

    async def main() -> list[list[str]]:
        with simulated(run="outer"):
            found = await through_all()
        found += await through_all()
        with real():
            return found + await through_all()

    within = ["rush-hour", "not simulated"] * 2
    after = [["outer", "baggage"], *[["not simulated", "no baggage"]] * 2]
    assert asyncio.run(main()) == [[inside, *outside] for outside in after for inside in within]


def test_a_task_of_a_simulated_block_that_leaves_the_block_does_not_become_real() -> None:
    async def leaving(scope: Any) -> str:
        scope.__exit__(None, None, None)
        return run_told()

    async def main() -> list[str]:
        scope = simulated(run="rush-hour")
        scope.__enter__()
        found = [await asyncio.create_task(leaving(scope)), run_told()]
        with simulated(run="outer"):
            inner = real()
            inner.__enter__()
            found.append(await asyncio.create_task(leaving(inner)))
        return found

    assert asyncio.run(main()) == ["outlived", "outlived", "outer"]


# Blocks that are left where nothing is known of them


@pytest.mark.parametrize("name", ["simulated", "a simulated message"])
def test_a_block_that_is_left_in_another_context_is_over(keys: Keys, name: str) -> None:
    scope, entered = MAKERS[name](keys), Context()
    entered.run(scope.__enter__)
    verdict = entered.run(simulated_now)
    Context().run(scope.__exit__, None, None, None)
    assert not verdict.is_simulated
    assert entered.run(run_told) == "outlived"
    with scope:
        assert simulated_now() is not verdict
    assert run_told() == "not simulated"


def test_if_nothing_tells_which_block_is_left_in_another_context_all_of_the_scope_are_over() -> None:
    scope, contexts = simulated(run="rush-hour"), [Context(), Context()]
    for one in contexts:
        one.run(scope.__enter__)
    Context().run(scope.__exit__, None, None, None)
    assert [one.run(run_told) for one in contexts] == ["outlived", "outlived"]
    contexts[0].run(scope.__exit__, None, None, None)
    assert contexts[0].run(run_told) == "not simulated"
    assert contexts[1].run(run_told) == "outlived"


def test_a_suspended_block_whose_message_has_ended_ends_no_other_block_of_its_scope() -> None:
    scope = simulated(run="rush-hour")

    def leaving_it_suspended() -> Any:
        generator = block(scope)
        next(generator)
        return generator

    generator = under(REAL, leaving_it_suspended)
    with scope:
        Context().run(generator.close)
        assert run_told() == "rush-hour"
    assert run_told() == "not simulated"
