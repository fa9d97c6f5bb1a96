"""An asynchronous generator that is given up half-way ends as what it began as, wherever Python closes it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

import synthetic
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.asyncio_thread import Loop
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key
from tests.support.markers import marked

Keys = dict[str, Any]
Work = Callable[[], AbstractContextManager[object]]

WORK: dict[str, Work] = {
    "peak": lambda: synthetic.simulated(run="peak"),
    "real": synthetic.real,
    "undecided": nullcontext,
    "unverified": lambda: brought_by_opentelemetry(mint(shared_key("test"))),
}
ENDS = {"peak": "peak", "real": "real", "undecided": "real", "unverified": "refused"}
"""Undecided work counts as real."""

LOOPS = ["asyncio", "uvloop"]


@pytest.fixture(autouse=True)
def configured(keys: Keys) -> Iterator[None]:
    synthetic.configure(keys=keys)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def run(main: Any, loop: str) -> None:
    if loop == "asyncio":
        asyncio.run(main)
    else:
        uvloop = pytest.importorskip("uvloop")
        asyncio_loop = uvloop.new_event_loop()
        try:
            asyncio_loop.run_until_complete(main)
            asyncio_loop.run_until_complete(asyncio_loop.shutdown_asyncgens())
        finally:
            asyncio_loop.close()


def state() -> str:
    try:
        marker = synthetic.current()
    except synthetic.UnverifiedMarker:
        return "refused"
    return "real" if marker is None else str(marker.run)


async def steps(ended: list[str]) -> AsyncIterator[str]:
    try:
        while True:
            yield state()
    finally:
        await asyncio.sleep(0)
        ended.append(state())


async def begun(kind: str, ended: list[str]) -> AsyncIterator[str]:
    """A generator whose first step was taken by work of this kind, which has ended."""
    with synthetic.simulated(run="first-of-this-loop"):
        generator = steps(ended)
    with WORK[kind]():
        assert await generator.__anext__() == ENDS[kind]
    return generator


async def closed(ended: list[str], number: int = 1) -> None:
    for _ in range(1000):
        if len(ended) == number:
            return
        await asyncio.sleep(0)
    raise AssertionError(ended)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("later", WORK)
@pytest.mark.parametrize("kind", WORK)
def test_one_that_is_dropped_in_the_middle_of_other_work(kind: str, later: str, loop: str) -> None:
    ended: list[str] = []

    async def main() -> None:
        generator = await begun(kind, ended)
        with WORK[later]():
            del generator
            await closed(ended)
            assert state() == ENDS[later]

    run(main(), loop)
    assert ended == [ENDS[kind]]


@pytest.mark.parametrize("later", WORK)
@pytest.mark.parametrize("kind", WORK)
def test_one_that_is_found_by_the_collector_in_another_thread(kind: str, later: str) -> None:
    ended: list[str] = []

    async def main() -> None:
        cycle: list[Any] = [await begun(kind, ended)]
        cycle.append(cycle)
        del cycle

        def collect() -> None:
            with WORK[later]():
                gc.collect()

        await asyncio.get_running_loop().run_in_executor(None, collect)
        await closed(ended)

    asyncio.run(main())
    assert ended == [ENDS[kind]]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", WORK)
def test_one_that_is_left_when_the_loop_shuts_down(kind: str, loop: str) -> None:
    ended: list[str] = []
    kept = []

    async def main() -> None:
        kept.append(await begun(kind, ended))

    run(main(), loop)
    assert ended == [ENDS[kind]]


@pytest.fixture
def instrumented() -> Iterator[None]:
    synthetic.instrument("logging")
    yield
    synthetic.uninstrument("logging")


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("kind", WORK)
def test_one_in_a_loop_that_simulated_work_has_never_entered(kind: str) -> None:
    ended: list[str] = []
    with closing(Loop()) as loop, WORK[kind]():
        kept = [loop.run(first_step(ended))]

        async def let_go() -> None:
            kept.clear()
            await closed(ended)

        for other in WORK.values():
            with other():
                loop.run(let_go())
    assert ended == [ENDS[kind]]


async def first_step(ended: list[str]) -> AsyncIterator[str]:
    generator = steps(ended)
    await generator.__anext__()
    return generator


@pytest.mark.usefixtures("instrumented")
def test_a_real_one_that_began_before_any_simulated_work_of_its_loop() -> None:
    ended: list[str] = []

    async def main() -> None:
        generator = await first_step(ended)
        with synthetic.simulated(run="first-of-this-loop"):
            del generator
            await closed(ended)

    asyncio.run(main())
    assert ended == ["real"]


def test_the_hooks_of_loops_are_as_before_after_uninstrument(instrumented: None) -> None:
    covered = sys.set_asyncgen_hooks
    synthetic.uninstrument()
    assert sys.set_asyncgen_hooks is inspect.unwrap(covered)


def test_hooks_that_others_have_put_around_ours_do_no_harm() -> None:
    ended: list[str] = []

    def wrap() -> None:
        begins, ends = sys.get_asyncgen_hooks()
        assert begins is not None
        assert ends is not None
        sys.set_asyncgen_hooks(lambda agen: begins(agen), lambda agen: ends(agen))

    async def main() -> None:
        for kind in WORK:
            generator = await begun(kind, ended)
            wrap()
            del generator
            await closed(ended, len(ended) + 1)
            wrap()

    asyncio.run(main())
    assert ended == list(ENDS.values())


def test_its_end_is_work_of_its_own_which_ends() -> None:
    late = []

    async def steps() -> AsyncIterator[None]:
        try:
            yield
        finally:
            late.append(asyncio.ensure_future(after()))

    async def after() -> str:
        await asyncio.sleep(0.01)
        return state()

    async def main() -> None:
        generator = steps()
        with synthetic.simulated(run="peak"):
            await generator.__anext__()
        del generator
        await closed(late)  # type: ignore[arg-type]
        assert await late[0] == "refused"

    asyncio.run(main())


def test_a_generator_looks_and_ends_as_ever_otherwise() -> None:
    async def main() -> None:
        ended: list[str] = []
        with synthetic.simulated(run="peak"):
            generator = steps(ended)
            await generator.__anext__()
            assert generator.__qualname__ == "steps"  # type: ignore[attr-defined]
            assert "steps" in repr(generator)
            with pytest.raises(ValueError, match="thrown in"):
                await generator.athrow(ValueError("thrown in"))  # type: ignore[attr-defined]
            assert ended == ["peak"]
            generator = steps(ended)
            await generator.__anext__()
            await generator.aclose()  # type: ignore[attr-defined]
            del generator
            await asyncio.sleep(0)
            assert ended == ["peak", "peak"]
            assert [one async for one in _three()] == [0, 1, 2]

    asyncio.run(main(), debug=True)


async def _three() -> AsyncIterator[int]:
    for number in range(3):
        yield number


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("spec_version", ["2.0", "2.4"])
def test_a_stream_of_starlette_whose_client_leaves(keys: Keys, spec_version: str, simulated: bool) -> None:
    ended: list[str] = []

    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(steps(ended))

    app = SyntheticTrafficMiddleware(Starlette(routes=[Route("/", stream)]))
    headers = [(name.encode(), value.encode()) for name, value in (marked(keys, run="peak") if simulated else ())]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}

    async def main() -> None:
        has_left = asyncio.Event()
        received = iter([{"type": "http.request"}])

        async def receive() -> Any:
            for message in received:
                return message
            await has_left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if not message.get("body"):
                return
            has_left.set()
            if spec_version == "2.4":
                raise OSError("the client has left")
            await asyncio.Event().wait()

        with suppress(Exception):  # that of ``send``, in a form that depends on the version, or none
            await app({**scope, "asgi": {"spec_version": spec_version}}, receive, send)
        with synthetic.simulated(run="another"):
            gc.collect()
            await closed(ended)

    asyncio.run(main())
    assert ended == ["peak" if simulated else "real"]
