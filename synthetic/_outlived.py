"""A verdict that outlives its work is reported: something was started in a simulated request, and still runs.

A worker task, a cache's refresh, a connection pool's heartbeat: whatever it does now is taken for simulated, and may be
real. Nothing can tell, so the verdict stands, and somebody is told.
"""

from __future__ import annotations

import time
from typing import Final

from synthetic import ledger
from synthetic._config import Configuration
from synthetic._policy import Action
from synthetic._throttled import ThrottledLog
from synthetic._verdict import Simulated, Verdict

__all__ = ["OUTLIVED", "report_if_outlived"]

OUTLIVED: Final = "outlived"
"""The effect of an outcome that stands for the use of a verdict long after its work has ended."""

_reports = ThrottledLog()


def report_if_outlived(verdict: Verdict | None, target: str | None, config: Configuration) -> None:
    """Log and record the use of ``verdict`` for ``target``, where its work ended more than ``linger`` seconds ago."""
    if not isinstance(verdict, Simulated) or (ended_at := verdict.ended_at) is None:
        return
    late = time.monotonic() - ended_at
    if late <= config.linger:
        return
    marker = verdict.marker
    ledger.record(ledger.Outcome(OUTLIVED, Action.ALLOW, marker, target, None, config.service))
    _reports.warn(
        f"{marker.run} {target}",
        f"{target or 'a decision'} was asked for by simulated work (run {marker.run!r}) that has ended {late:.0f} "
        "seconds ago. Something that was started in it still runs, and its real work would be taken for simulated: "
        "start it in contextvars.Context().run(...), and give it its jobs with synthetic.carry(job).",
    )
