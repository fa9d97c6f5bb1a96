"""The attributes that tell a provider whose work an evaluation is."""

from __future__ import annotations

from openfeature.evaluation_context import EvaluationContext  # pyright: ignore[reportMissingTypeStubs]

from synthetic.integration import REAL, VERDICT, Unverified, current_verdict
from synthetic_openfeature._refusal import UnverifiedContext

__all__ = ["marked"]

_get_verdict = VERDICT.get


def marked() -> EvaluationContext:
    """Return a context that says whose work this is, to be merged over all others. Raises UnverifiedContext.

    Every attribute is always there: a rule may be about any of them, and an application may have set them. It has no
    targeting key: a simulated user without one must be answered as a real user without one.
    """
    verdict = None if _get_verdict() is REAL else current_verdict()
    if isinstance(verdict, Unverified):
        raise UnverifiedContext(verdict.reason)
    marker = None if verdict is None else verdict.marker
    # No dots in the names: the rules of flagd and GrowthBook take "synthetic.run" for the key "run" in "synthetic".
    return EvaluationContext(
        attributes={
            "synthetic": marker is not None,
            "synthetic_run": marker.run if marker else "",
            "synthetic_kind": marker.kind if marker else "",
            "synthetic_actor": (marker and marker.actor) or "",
            "synthetic_scenario": (marker and marker.scenario) or "",
        }
    )
