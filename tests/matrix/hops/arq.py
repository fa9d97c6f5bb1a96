"""arq: a producer and the header of its job; a worker and what the job saw, or its failure."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import arq
from arq.constants import job_key_prefix
from arq.worker import Worker, func

import synthetic
from synthetic_arq import create_pool
from tests.integrations.arq.workers import ExplicitRides, Rides
from tests.matrix.cases import Case, Hop, judged, seen
from tests.support.brokers import valkey

_CASES = ("real", "simulated", "forged")
"""The cases of a producer, whose caller cannot set headers."""


def _met(scenario: Callable[[Rides, Case], Awaitable[str]], *, is_patched: bool = True) -> Callable[[Case, int], str]:
    async def main(case: Case, port: int) -> str:
        rides = Rides(port, arq.create_pool) if is_patched else ExplicitRides(port, create_pool)
        await rides.open()
        try:
            return await scenario(rides, case)
        finally:
            await rides.pool.connection_pool.disconnect()

    def pass_on(case: Case, port: int) -> str:
        if is_patched:
            synthetic.instrument("arq")
        return asyncio.run(main(case, port))

    return pass_on


async def _out(rides: Rides, case: Case) -> str:
    try:
        with case.work():
            job = await rides.pool.enqueue_job("note", "ride")
    except synthetic.UnverifiedMarker:
        assert not await rides.pool.zcard(rides.queue_name)
        return "refused"
    assert job is not None
    data: dict[str, Any] = pickle.loads(await rides.pool.get(f"{job_key_prefix}{job.job_id}"))
    return judged([data["baggage"]] if "baggage" in data else [])


async def _in(rides: Rides, case: Case) -> str:
    told: list[str] = []

    async def tell(ctx: Any, name: str) -> None:
        told.append(seen())

    await rides.enqueue_raw(job_id := uuid4().hex, case.headers(), "tell")
    await rides.run(rides.worker(Worker, func(tell, name="tell")))
    if not told:
        assert await rides.reason(job_id) == "bad-signature"
        return "refused"
    return told[0]


HOPS: list[Hop] = [
    Hop("arq, enqueue", "arq", _met(_out), servers=valkey, cases=_CASES),
    Hop("arq, worker", "arq", _met(_in), servers=valkey),
    Hop("arq, explicit pool", "arq", _met(_out, is_patched=False), servers=valkey, cases=_CASES),
    Hop("arq, explicit worker", "arq", _met(_in, is_patched=False), servers=valkey),
]
