"""arq jobs that are refused, and workers without the library; instrument and uninstrument; arq beside Sentry."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import arq
import arq.connections
import arq.jobs
import arq.worker
import pytest
from arq.constants import retry_key_prefix
from arq.worker import Worker, func

import synthetic
from synthetic_arq import create_pool
from tests.products.arq import Rides
from tests.support.clients import run_script
from tests.support.keys import entry, mint, shared_key
from tests.support.work import await_from_both, is_on_after, new_name

Keys = dict[str, Any]
Play = Callable[..., None]

# arq's own, when a worker is closed.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")


def test_a_refused_job_calls_nothing_and_its_result_says_why(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        called: list[Any] = []

        async def hook(ctx: Any) -> None:
            called.append(ctx)

        await rides.enqueue_raw(name := new_name(), [entry(mint(shared_key()))])
        worker = rides.worker(on_job_start=hook, on_job_end=hook, after_job_end=hook)
        await rides.run(worker)
        assert (called, rides.seen, worker.jobs_failed, worker.jobs_complete) == ([], {}, 1, 0)
        with pytest.raises(synthetic.MessageRefused, match="bad-signature"):
            await rides.job(name).result()
        result = await rides.job(name).result_info()
        assert result is not None
        assert (result.function, result.args, result.job_try) == ("note", (name,), 1)

    play(scenario)


@pytest.mark.parametrize("headers", [[], ["vendor=1"]])
def test_a_job_that_has_lost_its_marker_is_refused(play: Play, headers: list[str]) -> None:
    async def scenario(rides: Rides) -> None:
        await rides.enqueue_raw(name := new_name(), headers, "note [simulated]")
        await rides.run(rides.worker())
        assert (await rides.reason(name), rides.seen) == ("missing", {})

    play(scenario)


def test_a_job_that_the_worker_is_not_ready_for_comes_again_and_uses_up_no_try(
    play: Play, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic_arq._refusal.LATER_AFTER", 0.02)
    answers = iter([False] * 7 + [True])
    synthetic.configure(keys=keys, ready=lambda: next(answers, True))

    async def scenario(rides: Rides) -> None:
        async def tries(ctx: Any) -> int:
            return int(ctx["job_try"])

        with synthetic.simulated(run="peak"):
            job = await rides.pool.enqueue_job("tries")
        worker = rides.worker(Worker, func(tries, name="tries"))
        await rides.run(worker)
        assert job is not None
        assert await job.result() == 1
        assert worker.jobs_retried == 7
        assert not await rides.pool.exists(f"{retry_key_prefix}{job.job_id}")

    play(scenario)


def test_a_worker_without_the_library_fails_a_simulated_job_and_runs_a_real_one(keys: Keys, valkey_port: int) -> None:
    synthetic.configure(keys=keys)

    async def scenario() -> None:
        rides = Rides(valkey_port, create_pool)
        await rides.open()
        simulated, real = await await_from_both(lambda name: rides.pool.enqueue_job("note", name, _job_id=name))
        await rides.run(rides.worker())
        result = await rides.job(simulated).result_info()
        assert result is not None
        assert (result.success, str(result.result)) == (False, "function 'note [simulated]' not found")
        assert list(rides.seen) == [real]
        await rides.pool.connection_pool.disconnect()

    asyncio.run(scenario())


def test_a_real_job_is_written_with_the_same_bytes_as_without_the_library(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ("note", ("hello",), {"a": 1}, None, 5)
    before = arq.connections.serialize_job(*job)
    synthetic.instrument("arq")
    try:
        assert arq.connections.serialize_job(*job) == before
        assert pickle.loads(before) == {"t": None, "f": "note", "a": ("hello",), "k": {"a": 1}, "et": 5}
    finally:
        synthetic.uninstrument("arq")


# Switching on and off


def test_uninstrument_restores_the_originals() -> None:
    def attributes() -> list[dict[str, Any]]:
        return [dict(vars(owner)) for owner in (arq.connections, arq.jobs, arq.worker, Worker)]

    before = attributes()
    synthetic.instrument("arq")
    synthetic.instrument("arq")
    assert attributes() != before
    synthetic.uninstrument("arq")
    assert attributes() == before


IN_AN_ORDER = """
import asyncio, sys, warnings
import synthetic
from tests.products.arq import Rides
from tests.support import sentry

warnings.simplefilter("ignore", DeprecationWarning)  # arq's own, when a worker is closed

async def main():
    rides = Rides(int(sys.argv[1]))
    await rides.open()
    with synthetic.simulated(run="peak"):
        await rides.pool.enqueue_job("note", "simulated")
    await rides.pool.enqueue_job("note", "real")
    await rides.run(rides.worker())
    print(rides.seen["simulated"].run, rides.seen["real"].run)
    await rides.pool.connection_pool.disconnect()

synthetic.instrument("logging")  # or simulated work could not begin while ours is off
steps = {
    "on": lambda: synthetic.instrument("arq"),
    "off": lambda: synthetic.uninstrument("arq"),
    "sentry": lambda: sentry.switch_on("arq.ArqIntegration"),
}
for step in sys.argv[2:]:
    steps[step]()
    asyncio.run(main())
"""


@pytest.mark.parametrize("steps", ["sentry on off on", "on sentry off on"])
def test_beside_sentry_each_job_has_its_own_verdict_in_any_order(keys: Keys, valkey_port: int, steps: str) -> None:
    printed = run_script(IN_AN_ORDER, str(valkey_port), *steps.split(), keys=keys).splitlines()
    assert printed == ["peak None" if is_on else "None None" for is_on in is_on_after(steps.split(), "on", "off")]
