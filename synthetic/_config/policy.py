"""The policy: what is done with each effect of simulated work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from synthetic._model.action import Action

__all__ = ["Policy", "load_policy"]


class Policy:
    """A table effect -> action for one environment. A guard skips or substitutes an effect that it does not name."""

    def __init__(self, actions: Mapping[str, Action] | None = None) -> None:
        self._actions = dict(actions or {})
        self.get: Callable[[str], Action | None] = self._actions.get

    def effects(self) -> tuple[str, ...]:
        """Return the effects that it names."""
        return tuple(self._actions)

    def __repr__(self) -> str:
        return f"Policy({ {effect: action.value for effect, action in self._actions.items()} })"


def load_policy(value: object, environment: str, base: Path) -> Policy:
    """Return the policy for ``environment``.

    ``value`` is a table effect -> action, a table environment -> such a table, the path of a TOML file with one table
    per environment (relative to ``base``), or None for an empty policy. Raises ValueError for anything else, and for a
    file or table of tables that lacks the environment.
    """
    if value is None:
        return Policy()
    if isinstance(value, (str, Path)):
        return _of_environment(_read(base / value), environment, f"the policy file {base / value}")
    if not isinstance(value, Mapping):
        raise ValueError(
            f"a value of type {type(value).__name__} is not a policy; give a dict effect -> action, or a TOML file"
        )
    table = cast("Mapping[str, Any]", value)
    if table and all(isinstance(inner, Mapping) for inner in table.values()):
        return _of_environment(table, environment, "the policy")
    return _checked(table)


def _read(path: Path) -> Mapping[str, Any]:
    from synthetic._config.toml import read_toml

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
            raise ValueError(f"effect {effect!r} has the unknown action {action!r}; the actions are {known}") from None
    return Policy(actions)
