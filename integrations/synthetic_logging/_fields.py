"""What a log record says of the current work. Nothing here raises, and nothing here logs in an endless loop."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from synthetic.integration import REAL, VERDICT, Unverified, Verdict, current_verdict

__all__ = ["fields", "names"]

names: Final = ("synthetic", "synthetic_run", "synthetic_kind", "synthetic_actor", "synthetic_scenario")
"""The names of the fields."""

_UNVERIFIED: Final = "unverified"

_get_verdict = VERDICT.get
_is_asking: ContextVar[bool] = ContextVar("synthetic-logging", default=False)
"""Whether the verdict is being looked up. A record that is logged meanwhile gets no fields, and looks nothing up."""


def fields() -> dict[str, str | bool]:
    """Return the fields for the current work: ``{}`` for real work. Never raises.

    For simulated work ``synthetic`` is True; ``synthetic_run``, ``synthetic_kind``, ``synthetic_actor`` and
    ``synthetic_scenario`` come from the marker, ``""`` for one that it does not have. For work whose marker does not
    verify, the only field is ``synthetic``, which is ``"unverified"``.
    """
    if _get_verdict() is REAL or _is_asking.get():
        return {}
    asking = _is_asking.set(True)
    try:
        return _of(current_verdict())
    except Exception:  # a log never harms the work that it describes
        return {"synthetic": _UNVERIFIED}
    finally:
        _is_asking.reset(asking)


def _of(verdict: Verdict | None) -> dict[str, str | bool]:
    if isinstance(verdict, Unverified):
        return {"synthetic": _UNVERIFIED}
    marker = None if verdict is None else verdict.marker
    if marker is None:
        return {}
    return {
        "synthetic": True,
        "synthetic_run": marker.run,
        "synthetic_kind": marker.kind,
        "synthetic_actor": marker.actor or "",
        "synthetic_scenario": marker.scenario or "",
    }
