"""Reports a verdict that outlives its work: something that a simulated request started is still running.

It may be a worker task, a cache refresh, or the heartbeat of a connection pool. Its work counts as simulated, but may
be real. Nothing can tell, so the verdict stands and a warning is logged.
"""

from __future__ import annotations

import time
from typing import Final

from synthetic import ledger
from synthetic._config.configuration import Configuration
from synthetic._model.action import Action
from synthetic._model.throttled import ThrottledLog
from synthetic._model.verdict import Simulated, Verdict

__all__ = ["OUTLIVED", "report_if_outlived"]

OUTLIVED: Final = "outlived"
"""The effect of an outcome that records the use of a verdict long after its work has ended."""

_reports = ThrottledLog()


def report_if_outlived(verdict: Verdict | None, target: str | None, config: Configuration) -> None:
    """Log and record the use of ``verdict`` for ``target`` if its work ended more than ``linger`` seconds ago."""
    if not isinstance(verdict, Simulated) or (ended_at := verdict.ended_at) is None:
        return
    late = time.monotonic() - ended_at
    if late <= config.linger:
        return
    marker = verdict.marker
    ledger.record(ledger.Outcome(OUTLIVED, Action.ALLOW, marker, target, None, config.service))
    _reports.warn(
        f"{marker.run} {target}",
        f"{target or 'a decision'} was requested by simulated work (run {marker.run!r}) that ended {late:.0f} "
        "seconds ago. Something that this work started is still running, and its real work would count as simulated. "
        "Start it in contextvars.Context().run(...), and pass it jobs as synthetic.carry(job).",
    )
