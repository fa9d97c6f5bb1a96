"""What the command ``rq worker`` imports before it performs a job: its option ``--job-class`` names the class here."""

from __future__ import annotations

import synthetic

synthetic.instrument()

from synthetic_rq import SyntheticJob  # noqa: E402


class Job(SyntheticJob):
    """Every process of the worker imports it, and so makes the call above."""
