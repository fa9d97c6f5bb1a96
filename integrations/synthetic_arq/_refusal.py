"""Finishes a refused job as failed, and leaves one in its queue that may be admitted later.

A caller that waits for the result gets MessageRefused. No hook is called, because it would belong to work that is known
neither as real nor as simulated.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from arq.constants import retry_key_prefix
from arq.jobs import serialize_result
from arq.utils import timestamp_ms

from synthetic.errors import MessageRefused

__all__ = ["LATER_AFTER", "NotAdmitted", "refuse"]

_log = logging.getLogger("arq.worker")

LATER_AFTER = 5.0
"""Seconds after which a worker looks again at a job that may be admitted later."""


class NotAdmitted(BaseException):
    """Ends the reading of a refused job. arq would replace an ``Exception`` by its own error about deserializing."""

    def __init__(self, error: MessageRefused, data: dict[str, Any]) -> None:
        super().__init__()
        self.error = error
        self.data = data


async def refuse(worker: Any, job_id: str, score: int, not_admitted: NotAdmitted) -> None:
    """Finish a refused job as failed, or leave it in its queue if it may be admitted later."""
    error, data = not_admitted.error, not_admitted.data
    if error.is_later:
        _log.info("%s:%s can't be taken now, will be run later: %s", job_id, data["f"], error.reason)
        await asyncio.shield(_come_again(worker, job_id, score))
    else:
        _log.error("%s:%s failed: %s", job_id, data["f"], error)
        await asyncio.shield(_fail(worker, job_id, error, data))


async def _come_again(worker: Any, job_id: str, score: int) -> None:
    """Do as arq does for a job that raises ``Retry``, but don't count this attempt."""
    worker.jobs_retried += 1
    await worker.pool.decr(retry_key_prefix + job_id)
    later = round(LATER_AFTER * 1000) + timestamp_ms() - score
    await worker.finish_job(job_id, False, None, None, False, later, None)


async def _fail(worker: Any, job_id: str, error: MessageRefused, data: dict[str, Any]) -> None:
    worker.jobs_failed += 1
    now = timestamp_ms()
    result = serialize_result(
        data["f"],
        data["a"],
        data["k"],
        int(await worker.pool.get(retry_key_prefix + job_id) or 1),
        data["et"],
        False,
        error,
        now,
        now,
        f"{job_id}:{data['f']}",
        worker.queue_name,
        job_id=job_id,
        serializer=worker.job_serializer,
    )
    await worker.finish_failed_job(job_id, result)
