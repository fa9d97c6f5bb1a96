"""The action: what a guard does with a side effect of simulated work."""

from __future__ import annotations

from enum import Enum

__all__ = ["Action"]


class Action(str, Enum):
    """What a guard does with a side effect of simulated work. A policy uses these values."""

    ALLOW = "allow"
    """Execute it for real."""
    SKIP = "skip"
    """Do not execute it; return None, or the guard's ``returns``."""
    SUBSTITUTE = "substitute"
    """Call the guard's ``instead`` in its place; refuse it if the guard has none."""
    DIVERT = "divert"
    """Execute it against a shadow of the real system; refuse it until the effect has a shadow."""
    REFUSE = "refuse"
    """Do not execute it; raise EffectRefused."""

    __str__ = str.__str__
