"""arq: what enqueues a job and the header that it has then; a worker and what the job saw, or that it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import synthetic
from tests.matrix.cases import Case, Hop, judged, of_run
from tests.products.arq import Rides, needs, rides_on
from tests.support.work import new_name

_CASES = ("real", "simulated", "forged")
"""Of the sender: the caller has no headers that it could fill."""


def _over(scenario: Callable[[Rides, Case], Awaitable[str]], is_patched: bool, case: Case, port: int) -> str:
    async def main() -> str:
        async with rides_on(port, is_patched=is_patched) as rides:
            return await scenario(rides, case)

    if is_patched:
        synthetic.instrument("arq")
    return asyncio.run(main())


async def _out(rides: Rides, case: Case) -> str:
    try:
        with case.work():
            job = await rides.pool.enqueue_job("note", "ride")
    except synthetic.UnverifiedMarker:
        assert not await rides.pool.zcard(rides.queue_name)
        return "refused"
    assert job is not None
    header = await rides.header_of(job.job_id)
    return judged([] if header is None else [header])


async def _in(rides: Rides, case: Case) -> str:
    await rides.enqueue_raw(name := new_name(), case.headers())
    await rides.run(rides.worker())
    if rides.find(name) is None:
        assert await rides.reason(name) == "bad-signature"
        return "refused"
    return of_run(*rides.runs(name))


_hop = partial(Hop, product="arq", servers=needs)

HOPS: list[Hop] = [
    _hop("arq, enqueue", pass_on=partial(_over, _out, True), cases=_CASES),
    _hop("arq, worker", pass_on=partial(_over, _in, True)),
    _hop("arq, explicit pool", pass_on=partial(_over, _out, False), cases=_CASES),
    _hop("arq, explicit worker", pass_on=partial(_over, _in, False)),
]
