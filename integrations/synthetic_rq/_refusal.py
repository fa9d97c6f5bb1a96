"""Performs a refused job again if it may be admitted later. Any other fails, and RQ handles the failure."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["LATER_AFTER", "come_again"]

LATER_AFTER = 0.2
"""Seconds for which a worker holds such a job, because RQ puts it back into its queue at once."""


def come_again(job: Any) -> None:
    """Give the job one more retry, so that this attempt does not count."""
    job.retries_left = (job.retries_left or 0) + 1
    if not job.retry_intervals or not any(job.retry_intervals):
        time.sleep(LATER_AFTER)
