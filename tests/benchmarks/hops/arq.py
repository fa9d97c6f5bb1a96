"""arq: what writing a job, and running one, cost more; nothing goes to Redis.

OpenTelemetry has no instrumentation of arq. The peer is arq itself: how long the same takes without us.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import arq.connections
from arq.worker import Worker, func

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row
from tests.support.keys import entry, mint, shared_key

_PEER = "arq alone, in total"


def rows(effort: Effort) -> Iterator[Row]:
    """Jobs written and run, real and simulated."""
    keys = shared_key()
    logging.getLogger("arq").setLevel(logging.CRITICAL)
    job = {"t": None, "f": "nothing", "a": (), "k": {}, "et": 1}
    with synthetic.configured(keys=keys):
        yield _row("write", "real", _written(synthetic.real), effort)
        yield _row("run", "real", _run(job), effort)
        yield _row("write", "simulated", _written(lambda: synthetic.simulated(run="bench")), effort)
        yield _row("run", "simulated", _run({**job, "baggage": entry(mint(keys))}), effort)


def _row(what: str, kind: str, cases: dict[str, Case], effort: Effort) -> Row:
    times = interleaved(cases, effort.rounds // 2)
    return Row(f"arq, {what}, {kind}: added time", times.added("ours", "bare"), _PEER, times.of("bare"))


@contextmanager
def _on() -> Iterator[None]:
    synthetic.instrument("arq")
    try:
        yield
    finally:
        synthetic.uninstrument("arq")


def _written(work: Callable[[], Any]) -> dict[str, Case]:
    @contextmanager
    def around(installed: Callable[[], Any]) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(work())
            stack.enter_context(installed())
            yield

    def case(installed: Callable[[], Any] = nullcontext) -> Case:
        # The attribute is looked up at each call: it changes while the benchmark runs.
        written = statement("at.serialize_job('nothing', (), {}, None, 1)", at=arq.connections)
        return Case(written, lambda: around(installed), number=200, warm=200)

    return {"bare": case(), "ours": case(_on)}


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


def _run(job: dict[str, Any]) -> dict[str, Case]:
    def case(installed: Callable[[], Any] = nullcontext) -> Case:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        pool: Any = _Nowhere(pickle.dumps(job))
        worker = Worker([func(_nothing, name="nothing")], redis_pool=pool, queue_name="bench", handle_signals=False)
        run = statement("run(worker.run_job('bench', 1))", run=loop.run_until_complete, worker=worker)
        return Case(run, installed, number=20, warm=20)

    return {"bare": case(), "ours": case(_on)}
