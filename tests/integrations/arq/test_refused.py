"""arq jobs that are refused, and workers that know nothing of us; what is switched on and off; arq beside Sentry."""

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
from tests.integrations.arq.workers import Rides, a_name, once_each
from tests.support.clients import run_script
from tests.support.keys import entry, mint, shared_key

Keys = dict[str, Any]
Play = Callable[..., None]

# arq's own, when a worker is closed.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")


def test_of_a_job_that_is_refused_nothing_is_called_and_its_result_says_why(play: Play) -> None:
    async def scenario(rides: Rides) -> None:
        called: list[Any] = []

        async def hook(ctx: Any) -> None:
            called.append(ctx)

        await rides.enqueue_raw(name := a_name(), [entry(mint(shared_key()))])
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
        await rides.enqueue_raw(name := a_name(), headers, "note [simulated]")
        await rides.run(rides.worker())
        assert (await rides.reason(name), rides.seen) == ("missing", {})

    play(scenario)


def test_a_job_that_can_not_be_taken_now_comes_again_and_that_is_no_try(
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


def test_a_worker_that_knows_nothing_of_us_fails_a_simulated_job_and_runs_a_real_one(
    keys: Keys, valkey_port: int
) -> None:
    synthetic.configure(keys=keys)

    async def scenario() -> None:
        rides = Rides(valkey_port, create_pool)
        await rides.open()
        simulated, real = await once_each(lambda name: rides.pool.enqueue_job("note", name, _job_id=name))
        await rides.run(rides.worker())
        result = await rides.job(simulated).result_info()
        assert result is not None
        assert (result.success, str(result.result)) == (False, "function 'note [simulated]' not found")
        assert list(rides.seen) == [real]
        await rides.pool.connection_pool.disconnect()

    asyncio.run(scenario())


def test_a_real_job_is_the_same_to_the_byte(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ("note", ("hello",), {"a": 1}, None, 5)
    before = arq.connections.serialize_job(*job)
    synthetic.instrument("arq")
    try:
        assert arq.connections.serialize_job(*job) == before
        assert pickle.loads(before) == {"t": None, "f": "note", "a": ("hello",), "k": {"a": 1}, "et": 5}
    finally:
        synthetic.uninstrument("arq")


# Switching on and off


def test_what_is_switched_off_is_as_it_was() -> None:
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
from tests.integrations.arq.workers import Rides

warnings.simplefilter("ignore", DeprecationWarning)  # arq's own, when a worker is closed

def sentry():
    import sentry_sdk
    from sentry_sdk.integrations.arq import ArqIntegration
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope):
            pass

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Nowhere, integrations=[ArqIntegration()]
    )

async def main():
    rides = Rides(int(sys.argv[1]))
    await rides.open()
    with synthetic.simulated(run="peak"):
        await rides.pool.enqueue_job("note", "simulated")
    await rides.pool.enqueue_job("note", "real")
    await rides.run(rides.worker())
    print(rides.seen["simulated"].run, rides.seen["real"].run)
    await rides.pool.connection_pool.disconnect()

steps = {"on": lambda: synthetic.instrument("arq"), "off": lambda: synthetic.uninstrument("arq"), "sentry": sentry}
for step in sys.argv[2:]:
    steps[step]()
    asyncio.run(main())
"""


@pytest.mark.parametrize("steps", ["sentry on off on", "on sentry off on"])
def test_beside_sentry_a_job_is_what_it_is_whoever_comes_first(keys: Keys, valkey_port: int, steps: str) -> None:
    printed = run_script(IN_AN_ORDER, str(valkey_port), *steps.split(), keys=keys).splitlines()
    is_on, expected = False, []
    for step in steps.split():
        is_on = step == "on" or (is_on and step != "off")
        expected.append("peak None" if is_on else "None None")
    assert printed == expected
