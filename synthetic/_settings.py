"""Where a setting comes from: an argument, else ``SYNTHETIC_<NAME>``, else ``synthetic.toml``; and how it is read."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from synthetic.errors import ConfigurationError

__all__ = ["Raw", "Sources", "choice", "flag", "for_a_shell", "names", "seconds", "text", "unknown_variables"]

_log = logging.getLogger("synthetic")

PREFIX = "SYNTHETIC_"
_FILE_VARIABLE = "SYNTHETIC_CONFIG"
_FILE_NAME = "synthetic.toml"

T = TypeVar("T")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)\s*", re.ASCII)
_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True, repr=False)
class Raw:
    """A setting's value as it was given, where it came from, and the folder that a relative path in it starts at.

    Its repr has no value, which may be a key.
    """

    value: Any
    source: str
    base: Path


class Sources:
    """The three sources, in order. ``known`` are the names of all settings: another name in a file is an error."""

    def __init__(self, arguments: Mapping[str, object], known: tuple[str, ...]) -> None:
        self._arguments = {name: value for name, value in arguments.items() if value is not None}
        self._file, self._table = _read_file(known)
        _warn_about_unknown_variables(known)

    def raw(self, name: str) -> Raw | None:
        """Return what was given for the setting ``name``; None where nothing was."""
        if name in self._arguments:
            return Raw(self._arguments[name], f"the argument {name}=", Path.cwd())
        variable = PREFIX + name.upper()
        if os.environ.get(variable):
            return Raw(os.environ[variable], f"the variable {variable}", Path.cwd())
        if name in self._table:
            return Raw(self._table[name], f"{name} in {self._file}", self._file.parent.absolute())
        return None

    def read(self, name: str, parse: Callable[[Raw], T], default: T) -> T:
        """Return the setting ``name``. Raises ConfigurationError, which names the setting and its source."""
        raw = self.raw(name)
        if raw is None:
            return default
        try:
            return parse(raw)
        except ConfigurationError as error:
            raise ConfigurationError(f"{name} (from {raw.source}): {error}", setting=name, source=raw.source) from None
        except ValueError as error:
            raise ConfigurationError(f"{name} (from {raw.source}): {error}", setting=name, source=raw.source) from error


def text(pattern: str, example: str) -> Callable[[Raw], str]:
    """Return a reader of text that matches ``pattern``."""
    compiled = re.compile(pattern, re.ASCII)

    def read(raw: Raw) -> str:
        if not isinstance(raw.value, str) or compiled.fullmatch(raw.value) is None:
            raise ValueError(f"{raw.value!r} does not fit {pattern}; a value that works: {example!r}")
        return raw.value

    return read


def choice(*allowed: str) -> Callable[[Raw], str]:
    """Return a reader of one of ``allowed``."""

    def read(raw: Raw) -> str:
        if raw.value not in allowed:
            raise ValueError(f"{raw.value!r} is not one of: {', '.join(allowed)}")
        return cast("str", raw.value)

    return read


def flag(raw: Raw) -> bool:
    """Read a yes or no."""
    if isinstance(raw.value, bool):
        return raw.value
    known = _FLAGS.get(str(raw.value).strip().lower())
    if known is None:
        raise ValueError(f"{raw.value!r} is not one of: {', '.join(_FLAGS)}")
    return known


def names(raw: Raw) -> tuple[str, ...]:
    """Read a list of names; in text they are separated by commas or white space."""
    if isinstance(raw.value, str):
        return tuple(name for name in re.split(r"[,\s]+", raw.value) if name)
    try:
        listed = list(raw.value)
    except TypeError:
        listed = [raw.value]
    if not all(isinstance(name, str) for name in listed):
        raise ValueError(f"{raw.value!r} is not a list of names; a value that works: ['payments', 'analytics']")
    return tuple(listed)


def seconds(shortest: float, longest: float) -> Callable[[Raw], float]:
    """Return a reader of a duration: a number of seconds, or text with a unit as in ``10m`` (s, m, h, d)."""

    def read(raw: Raw) -> float:
        value = raw.value
        if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
            value = float(match[1]) * _UNITS[match[2] or "s"]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{raw.value!r} is not a duration; values that work: 600, '10m', '7d'")
        if not shortest <= value <= longest:
            raise ValueError(f"{raw.value!r} is not between {shortest:g} and {longest:g} seconds")
        return float(value)

    return read


def _read_file(known: tuple[str, ...]) -> tuple[Path, dict[str, Any]]:
    named = os.environ.get(_FILE_VARIABLE)
    path = Path(named or _FILE_NAME)
    if not named and not path.is_file():
        return path, {}
    from synthetic._toml import read_toml

    try:
        table = read_toml(path)
    except ValueError as error:
        where = f"the variable {_FILE_VARIABLE}" if named else "the working directory"
        raise ConfigurationError(f"the configuration file (from {where}): {error}", source=str(path)) from error
    for name in table:
        if name not in known:
            raise ConfigurationError(f"{path}: {_unknown(name, known)}", setting=name, source=str(path))
    return path, table


def unknown_variables(known: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Return the variables that look like ours and are not read, each with what may have been meant."""
    from synthetic._config import Settings

    expected = {PREFIX + name.upper() for name in known or Settings.__annotations__} | {_FILE_VARIABLE}
    strange = [variable for variable in os.environ if variable.startswith(PREFIX) and variable not in expected]
    return [(variable, _unknown(variable, tuple(sorted(expected)))) for variable in strange]


def _warn_about_unknown_variables(known: tuple[str, ...]) -> None:
    for variable, advice in unknown_variables(known):
        _log.warning("the variable %s is not read: %s", variable, advice)


def for_a_shell(message: str) -> str:
    """Return an error's message with the names of options where it has those of arguments."""
    return re.sub(r"the argument (\w+)=|(?<![\w.])(keys)=", lambda match: f"--{match[1] or match[2]}", message)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"the settings are {', '.join(sorted(known))}"
    return f"there is no setting {name!r}; {hint}"
