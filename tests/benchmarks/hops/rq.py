"""RQ: what making and saving a job, and performing one, cost more; nothing goes to Redis.

OpenTelemetry has no instrumentation of RQ. The peer is RQ itself: how long the same takes without us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import redis
from rq.job import Job

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row
from tests.support.keys import entry, mint, shared_key

_PEER = "RQ alone, in total"


def rows(effort: Effort) -> Iterator[Row]:
    """Jobs made and performed, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys), redis.Redis() as connection:  # which connects to nothing
        yield _row("make and save", "real", _made(connection, synthetic.real), effort)
        yield _row("perform", "real", _performed(connection, b""), effort)
        yield _row("make and save", "simulated", _made(connection, lambda: synthetic.simulated(run="bench")), effort)
        yield _row("perform", "simulated", _performed(connection, entry(mint(keys)).encode()), effort)


def _row(what: str, kind: str, cases: dict[str, Case], effort: Effort) -> Row:
    times = interleaved(cases, effort.rounds // 2)
    return Row(f"RQ, {what}, {kind}: added time", times.added("ours", "bare"), _PEER, times.of("bare"))


def nothing() -> None:
    pass


@contextmanager
def _on() -> Iterator[None]:
    synthetic.instrument("rq")
    try:
        yield
    finally:
        synthetic.uninstrument("rq")


def _made(connection: Any, work: Callable[[], Any]) -> dict[str, Case]:
    @contextmanager
    def around(installed: Callable[[], Any]) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(work())
            stack.enter_context(installed())
            yield

    def case(installed: Callable[[], Any] = nullcontext) -> Case:
        made = statement("Job.create(nothing, connection=at).to_dict()", Job=Job, nothing=nothing, at=connection)
        return Case(made, lambda: around(installed), number=50, warm=50)

    return {"bare": case(), "ours": case(_on)}


def _performed(connection: Any, header: bytes) -> dict[str, Case]:
    with _on():
        saved = {key.encode(): value for key, value in Job.create(nothing, connection=connection).to_dict().items()}
        job = Job("bench", connection=connection)
        job.restore({**saved, b"baggage": header})
    performed = statement("job.perform()", job=job)
    return {"bare": Case(performed, number=200, warm=200), "ours": Case(performed, _on, number=200, warm=200)}
