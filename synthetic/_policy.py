"""The policy: what is done with each effect of simulated work (PROTOCOL, "Policy and guards")."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, cast

__all__ = ["Action", "Policy", "load_policy"]


class Action(str, Enum):
    """What is done with an effect of simulated work."""

    ALLOW = "allow"
    """Do it for real."""
    SKIP = "skip"
    """Do not do it; return None, or the guard's ``returns``."""
    SUBSTITUTE = "substitute"
    """Call the guard's ``instead``."""
    DIVERT = "divert"
    """Do it against a shadow; refused until a ready diversion is registered for the effect."""
    REFUSE = "refuse"
    """Raise EffectRefused."""

    __str__ = str.__str__


class Policy:
    """A table effect -> action for one environment. An effect that it does not name is safe: see ``guard``."""

    def __init__(self, actions: Mapping[str, Action] | None = None) -> None:
        self._actions = dict(actions or {})
        self.get = self._actions.get

    def __repr__(self) -> str:
        return f"Policy({ {effect: action.value for effect, action in self._actions.items()} })"


def load_policy(value: object, environment: str, base: Path) -> Policy:
    """Return the policy for ``environment``.

    ``value`` is a table effect -> action, a table environment -> such a table, the path of a TOML file with one table
    per environment (relative to ``base``), or None for a policy that names nothing. Raises ValueError for what fits
    none of these, and for a file or table of tables without the environment.
    """
    if value is None:
        return Policy()
    if isinstance(value, (str, Path)):
        return _of_environment(_read(base / value), environment, f"the policy file {base / value}")
    if not isinstance(value, Mapping):
        raise ValueError(f"is a {type(value).__name__}, not a table effect -> action or the path of a TOML file")
    table = cast("Mapping[str, Any]", value)
    if table and all(isinstance(inner, Mapping) for inner in table.values()):
        return _of_environment(table, environment, "the policy")
    return _checked(table)


def _read(path: Path) -> Mapping[str, Any]:
    from synthetic._toml import read_toml

    return read_toml(path)


def _of_environment(tables: Mapping[str, Any], environment: str, what: str) -> Policy:
    table = tables.get(environment)
    if not isinstance(table, Mapping):
        known = ", ".join(sorted(tables)) or "none"
        raise ValueError(f"{what} has no table [{environment}] for this environment; it has: {known}")
    return _checked(cast("Mapping[str, Any]", table))


def _checked(table: Mapping[str, Any]) -> Policy:
    actions: dict[str, Action] = {}
    for effect, action in table.items():
        try:
            actions[effect] = Action(action)
        except ValueError:
            known = ", ".join(sorted(known.value for known in Action))
            raise ValueError(f"effect {effect!r} has the action {action!r}; the actions are {known}") from None
    return Policy(actions)
