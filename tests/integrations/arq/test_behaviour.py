"""arq's own behaviour with the marker: retries, aborted and deferred jobs, cron jobs, hooks, ids, serializers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from arq import Retry, cron
from arq.worker import Worker, func

import synthetic
from tests.products.arq import Rides
from tests.support.work import await_from_both, new_name

Keys = dict[str, Any]
Play = Callable[..., None]

# arq's own, when a worker is closed.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")


def test_a_retry_has_the_verdict_of_its_job(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        async def flaky(ctx: Any, name: str) -> None:
            await rides.tell(ctx, f"{name}:{ctx['job_try']}")
            if ctx["job_try"] < 3:
                raise Retry

        simulated, real = await await_from_both(lambda name: rides.pool.enqueue_job("flaky", name))
        await rides.run(rides.worker(Worker, func(flaky, name="flaky")))
        assert rides.runs(*(f"{simulated}:{number}" for number in (1, 2, 3))) == ["peak"] * 3
        assert rides.runs(*(f"{real}:{number}" for number in (1, 2, 3))) == [None] * 3

    play(scenario)


def test_a_deferred_job_keeps_its_verdict(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        names = await await_from_both(lambda name: rides.pool.enqueue_job("note", name, _defer_by=0.05))
        await rides.run(rides.worker())
        assert rides.runs(*names) == ["peak", None]

    play(scenario)


def test_a_job_that_a_job_enqueues_has_the_same_verdict(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        async def parent(ctx: Any, name: str) -> None:
            await ctx["redis"].enqueue_job("note", name)

        names = await await_from_both(lambda name: rides.pool.enqueue_job("parent", name))
        await rides.run(rides.worker(Worker, func(parent, name="parent")))
        assert rides.runs(*names) == ["peak", None]

    play(scenario)


def test_jobs_at_the_same_time_have_each_their_own_verdict(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        everybody = asyncio.Event()
        waiting: list[str] = []

        async def meet(ctx: Any, name: str) -> None:
            waiting.append(name)
            if len(waiting) == 8:
                everybody.set()
            await everybody.wait()
            await rides.tell(ctx, name)

        pairs = [await await_from_both(lambda name: rides.pool.enqueue_job("meet", name)) for _ in range(4)]
        await rides.run(rides.worker(Worker, func(meet, name="meet"), max_jobs=8))
        assert [rides.runs(*pair) for pair in pairs] == [["peak", None]] * 4

    play(scenario)


def test_hooks_of_a_job_run_under_its_verdict(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        told: list[tuple[str, bool]] = []

        def hook(name: str) -> Any:
            async def told_of(ctx: Any) -> None:
                told.append((name, synthetic.is_synthetic()))

            return told_of

        hooks = {name: hook(name) for name in ("on_startup", "on_job_start", "on_job_end", "after_job_end")}
        with synthetic.simulated(run="peak"):
            await rides.pool.enqueue_job("note", new_name())
        await rides.run(rides.worker(**hooks))
        assert told == [
            ("on_startup", False),
            ("on_job_start", True),
            ("on_job_end", True),
            ("after_job_end", True),
        ]

    play(scenario)


def test_cron_jobs_are_real_even_when_simulated_work_starts_the_worker(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        async def nightly(ctx: Any) -> None:
            await rides.tell(ctx, "nightly")

        with synthetic.simulated(run="peak"):
            await rides.run(rides.worker(cron_jobs=[cron(nightly, run_at_startup=True)]))
        assert rides.runs("nightly") == [None]

    play(scenario)


def test_a_simulated_job_can_be_aborted(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        started = asyncio.Event()

        async def forever(ctx: Any, name: str) -> None:
            await rides.tell(ctx, name)
            started.set()
            await asyncio.sleep(60)

        name = new_name()
        with synthetic.simulated(run="peak"):
            job = await rides.pool.enqueue_job("forever", name)
        worker = rides.worker(Worker, func(forever, name="forever"), allow_abort_jobs=True)
        running = asyncio.create_task(rides.run(worker))
        await started.wait()
        assert job is not None
        assert await job.abort(poll_delay=0.01)
        await running
        assert rides.runs(name) == ["peak"]

    play(scenario)


def test_the_marker_is_not_visible_in_a_job_or_its_result(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(rides: Rides) -> None:
        caplog.set_level("DEBUG")
        with synthetic.simulated(run="peak"):
            job = await rides.pool.enqueue_job("note", "hello", _job_id=(job_id := new_name()))
            token = synthetic.headers()["baggage"]
        assert job is not None
        assert job.job_id == job_id
        (queued,) = await rides.pool.queued_jobs()
        info = await job.info()
        assert info is not None
        for one in (queued, info):
            assert (one.function, one.args, one.kwargs) == ("note", ("hello",), {})
        await rides.run(rides.worker())
        result = await rides.job(job_id).result_info()
        assert result is not None
        assert (result.function, result.args, result.kwargs, result.result) == ("note", ("hello",), {}, "hello")
        assert token not in caplog.text
        assert f"{job_id}:note" in caplog.text

    play(scenario)


def test_a_job_with_an_id_that_is_taken_is_not_enqueued(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        name = new_name()
        with synthetic.simulated(run="peak"):
            assert await rides.pool.enqueue_job("note", name, _job_id=name) is not None
            assert await rides.pool.enqueue_job("note", name, _job_id=name) is None
        await rides.run(rides.worker())
        assert rides.runs(name) == ["peak"]

    play(scenario)


def test_a_function_may_have_an_argument_of_any_name(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        async def pack(ctx: Any, baggage: str, **others: Any) -> dict[str, Any]:
            return {"baggage": baggage, **others}

        with synthetic.simulated(run="peak"):
            job = await rides.pool.enqueue_job("pack", baggage="a bag", f=1, s=2)
        await rides.run(rides.worker(Worker, func(pack, name="pack")))
        assert job is not None
        assert await job.result() == {"baggage": "a bag", "f": 1, "s": 2}

    play(scenario)


def test_custom_serializers_carry_the_marker(play: Play) -> None:
    ways: dict[str, Any] = {"job_serializer": lambda data: json.dumps(data).encode(), "job_deserializer": json.loads}

    async def scenario(rides: Rides) -> None:
        seen: list[str | None] = []

        async def note(ctx: Any) -> None:
            marker = synthetic.current()
            seen.append(marker and marker.run)

        await await_from_both(lambda name: rides.pool.enqueue_job("see"))
        await rides.run(rides.worker(Worker, func(note, name="see"), **ways))
        assert sorted(seen, key=str) == [None, "peak"]

    play(scenario, **ways)
