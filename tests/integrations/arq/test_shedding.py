"""``shed="auto"`` in a worker of arq: a simulated job that has no place stays in its queue."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from arq.worker import Retry, Worker, func

import synthetic
from tests.products.arq import Rides
from tests.support.shedding import places, unhurried

Keys = dict[str, Any]

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")


@pytest.mark.parametrize("ending", ["returns", "fails", "retries", "times out"])
def test_a_second_simulated_job_comes_later_and_a_real_one_at_once(
    play: Any, keys: Keys, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("synthetic_arq._refusal.LATER_AFTER", 0.02)
    synthetic.configure(keys=keys, shed="auto")

    async def scenario(rides: Rides) -> None:
        seen: list[Any] = []
        go_on = asyncio.Event()

        async def drive(ctx: Any, name: str) -> None:
            marker = synthetic.current()
            seen.append((name, marker and marker.run, ctx["job_try"]))
            if name != "first" or ctx["job_try"] > 1:
                return
            await go_on.wait()
            if ending == "fails":
                raise LookupError(name)
            if ending == "retries":
                raise Retry(defer=0)
            if ending == "times out":
                await asyncio.sleep(60)

        with synthetic.simulated(run="peak"):
            await rides.pool.enqueue_job("drive", "first")
        timeout = 0.5 if ending == "times out" else 60
        worker = rides.worker(Worker, func(drive, name="drive", timeout=timeout))  # type: ignore[arg-type]
        running = asyncio.create_task(rides.run(worker))
        while not seen:
            await asyncio.sleep(0.005)
        with synthetic.simulated(run="peak"):
            second = await rides.pool.enqueue_job("drive", "second")
        with synthetic.real():
            await rides.pool.enqueue_job("drive", "real")
        while len(seen) < 2 or not worker.jobs_retried:
            await asyncio.sleep(0.005)
        if ending != "times out":
            assert seen == [("first", "peak", 1), ("real", None, 1)]
        go_on.set()
        await running
        assert ("second", "peak", 1) in seen  # and no attempt was counted
        assert ("real", None, 1) in seen
        assert [name for name, _, _ in seen].count("second") == 1
        assert second is not None
        assert await second.result() is None

    with unhurried():
        play(scenario)
        assert places() == 0
