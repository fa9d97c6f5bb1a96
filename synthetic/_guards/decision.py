"""What the policy says about one effect of simulated work, at the moment of the call."""

from __future__ import annotations

from typing import NoReturn

from synthetic import ledger
from synthetic._config.in_force import active
from synthetic._model.action import Action
from synthetic._model.marker import Marker
from synthetic._model.verdict import Simulated
from synthetic._work.state import current, current_verdict
from synthetic.errors import EffectRefused

__all__ = ["allows", "decide"]


def decide(effect: str, marker: Marker, target: str, *, has_instead: bool, has_returns: bool) -> Action:
    """Return what to do: ALLOW, SKIP or SUBSTITUTE. Raise EffectRefused otherwise. The ledger records the action."""
    config = active()
    wanted = config.policy.get(effect)
    action = _carried_out(wanted, has_instead=has_instead)
    ledger.record(ledger.Outcome(effect, action, marker, target, None, config.service))
    if action is Action.REFUSE:
        _refuse(effect, marker, target, _why(effect, wanted, config.environment, has_returns=has_returns))
    return action


def _carried_out(wanted: Action | None, *, has_instead: bool) -> Action:
    if wanted is None:
        return Action.SUBSTITUTE if has_instead else Action.SKIP
    if wanted is Action.SUBSTITUTE and not has_instead:
        return Action.REFUSE
    # There are no diversions yet, and an effect to divert must not reach the real system.
    return Action.REFUSE if wanted is Action.DIVERT else wanted


def _why(effect: str, wanted: Action | None, environment: str, *, has_returns: bool) -> str:
    if wanted is Action.SUBSTITUTE:
        having = "returns=, which is not a substitute" if has_returns else "no instead="
        return f"the policy for {environment!r} says substitute, but the guard has {having}; add instead="
    if wanted is Action.DIVERT:
        return f"the policy for {environment!r} says divert, but no diversion is ready for {effect!r}"
    return f"the policy for {environment!r} says refuse"


def _refuse(effect: str, marker: Marker, target: str, why: str) -> NoReturn:
    verdict = current_verdict()
    if isinstance(verdict, Simulated):
        verdict.refused = effect
    raise EffectRefused(
        f"{target} was not executed: it has the effect {effect!r} and this work is simulated "
        f"(run {marker.run!r}); {why}",
        effect=effect,
        marker=marker,
        target=target,
    )


def allows(effect: str) -> bool:
    """Return whether an effect may happen now: True for real work, and if the policy says ``allow``.

    Use it where a guard does not fit: for code that is not a separate function. For simulated work, the decision is
    recorded on the ledger. Raises UnverifiedMarker if the work carries a marker that does not verify.
    """
    marker = current()
    if marker is None:
        return True
    config = active()
    action = _carried_out(config.policy.get(effect) or Action.SKIP, has_instead=True)
    ledger.record(ledger.Outcome(effect, action, marker, None, None, config.service))
    return action is Action.ALLOW
