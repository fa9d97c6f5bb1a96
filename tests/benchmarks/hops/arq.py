"""arq: the time that writing a job, and running one, takes on top; nothing goes to Redis.

OpenTelemetry has no instrumentation of arq. The peer is arq itself: how long the same takes without the library.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Iterator
from functools import partial
from typing import Any

import arq.connections
from arq.worker import Worker, func

from tests.benchmarks import messages
from tests.benchmarks.measure import Effort, statement
from tests.benchmarks.messages import Block, Cases, Received, Sent, bare_and_ours, case
from tests.benchmarks.table import Row
from tests.support.work import instrumented


def rows(effort: Effort) -> Iterator[Row]:
    """Jobs written and run, real and simulated."""
    logging.getLogger("arq").setLevel(logging.CRITICAL)
    return messages.rows("arq", "arq alone, in total", Sent("write", _written), Received("run", _run), effort)


def _written(work: Block) -> Cases:
    # The attribute is looked up at each call: it changes while the benchmark runs.
    written = statement("at.serialize_job('nothing', (), {}, None, 1)", at=arq.connections)
    return bare_and_ours("arq", written, work, number=200, warm=200)


class _Nowhere:
    """A pool in which there is always the same job."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def pipeline(self, **options: Any) -> _Nowhere:
        return self

    async def __aenter__(self) -> _Nowhere:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    def command(self, *args: Any, **options: Any) -> None:
        pass

    get = incr = expire = zrem = delete = set = command

    async def execute(self) -> tuple[bytes, int, bool]:
        return self.raw, 1, True


async def _nothing(ctx: Any) -> None:
    pass


def _run(baggage: str | None) -> Cases:
    job = {"t": None, "f": "nothing", "a": (), "k": {}, "et": 1}
    raw = pickle.dumps(job if baggage is None else {**job, "baggage": baggage})

    def run() -> Any:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        pool: Any = _Nowhere(raw)
        worker = Worker([func(_nothing, name="nothing")], redis_pool=pool, queue_name="bench", handle_signals=False)
        return statement("run(worker.run_job('bench', 1))", run=loop.run_until_complete, worker=worker)

    on = partial(instrumented, "arq")
    return {"bare": case(run(), number=20, warm=20), "ours": case(run(), on, number=20, warm=20)}
