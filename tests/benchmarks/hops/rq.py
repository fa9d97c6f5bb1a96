"""RQ: the time that making and saving a job, and performing one, takes on top; nothing goes to Redis.

OpenTelemetry has no instrumentation of RQ. The peer is RQ itself: how long the same takes without the library.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import redis
from rq.job import Job

from tests.benchmarks import messages
from tests.benchmarks.measure import Effort, statement
from tests.benchmarks.messages import Block, Cases, Received, Sent, bare_and_ours
from tests.benchmarks.table import Row
from tests.support.work import instrumented


def rows(effort: Effort) -> Iterator[Row]:
    """Jobs made and performed, real and simulated."""
    with redis.Redis() as connection:  # which connects to nothing
        made = Sent("make and save", partial(_made, connection))
        performed = Received("perform", partial(_performed, connection))
        yield from messages.rows("RQ", "RQ alone, in total", made, performed, effort)


def nothing() -> None:
    pass


def _made(connection: Any, work: Block) -> Cases:
    made = statement("Job.create(nothing, connection=at).to_dict()", Job=Job, nothing=nothing, at=connection)
    return bare_and_ours("rq", made, work, number=50, warm=50)


def _performed(connection: Any, baggage: str | None) -> Cases:
    with instrumented("rq"):
        saved = {key.encode(): value for key, value in Job.create(nothing, connection=connection).to_dict().items()}
        job = Job("bench", connection=connection)
        job.restore({**saved, b"baggage": (baggage or "").encode()})
    return bare_and_ours("rq", statement("job.perform()", job=job), number=200, warm=200)
