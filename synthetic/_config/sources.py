"""Where the value of a setting comes from: an argument, else ``SYNTHETIC_<NAME>``, else ``synthetic.toml``."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from synthetic._config.readers import Raw
from synthetic.errors import ConfigurationError

__all__ = [
    "FILE_VARIABLE",
    "PREFIX",
    "Sources",
    "file_in_use",
    "for_a_shell",
    "strange_variables",
    "table_in_file",
    "unknown",
]

_log = logging.getLogger("synthetic")

PREFIX: Final = "SYNTHETIC_"
FILE_VARIABLE: Final = "SYNTHETIC_CONFIG"
_FILE_NAME: Final = "synthetic.toml"

_TABLES: Final = ("drive",)
"""Tables that only one command needs."""


class Sources:
    """The three sources, in order. ``known`` are the names of all settings. Any other name in a file is an error."""

    def __init__(self, arguments: Mapping[str, object], known: tuple[str, ...]) -> None:
        self._arguments = {name: value for name, value in arguments.items() if value is not None}
        self._file, self._table = _read_file(known)
        for variable, advice in strange_variables(known):
            _log.warning("the variable %s is not read: %s", variable, advice)

    def raw(self, name: str, default: object, environment: str) -> Raw:
        """Return the raw value of the setting ``name``, else its default."""
        here = Path.cwd()
        if name in self._arguments:
            return Raw(name, self._arguments[name], f"the argument {name}=", here, environment)
        variable = PREFIX + name.upper()
        if os.environ.get(variable):
            return Raw(name, os.environ[variable], f"the variable {variable}", here, environment)
        if name in self._table:
            base = self._file.parent.absolute()
            return Raw(name, self._table[name], f"{name} in {self._file}", base, environment)
        return Raw(name, default, "its default", here, environment)


def file_in_use() -> Path | None:
    """Return the path of the file that settings are read from; None if there is none."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    return Path(_FILE_NAME) if os.path.lexists(_FILE_NAME) else None


def table_in_file(name: str) -> dict[str, Any]:
    """Return a table that only one command needs; an empty one if the file has none. Raises ConfigurationError."""
    _, tables = _read_file(None)
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{name} in the configuration file is not a table; write [{name}.staging]")
    return cast("dict[str, Any]", table)


def _read_file(known: tuple[str, ...] | None) -> tuple[Path, dict[str, Any]]:
    path = file_in_use()
    if path is None:
        return Path(_FILE_NAME), {}
    from synthetic._config.toml import read_toml

    named = os.environ.get(FILE_VARIABLE)
    try:
        table = read_toml(path, must_be_own=not named)
    except ValueError as error:
        where = f"the variable {FILE_VARIABLE}" if named else "the working directory"
        raise ConfigurationError(f"the configuration file (from {where}): {error}", source=str(path)) from error
    for name in table:
        if known is not None and name not in known and name not in _TABLES:
            raise ConfigurationError(f"{path}: {unknown(name, known)}", setting=name, source=str(path))
    return path, table


def strange_variables(known: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the variables that look like settings and are not, each with a sentence on what was probably meant."""
    expected = {PREFIX + name.upper() for name in known} | {FILE_VARIABLE}
    strange = [variable for variable in os.environ if variable.startswith(PREFIX) and variable not in expected]
    return [(variable, unknown(variable, tuple(sorted(expected)))) for variable in strange]


def for_a_shell(message: str) -> str:
    """Return an error message with option names in place of argument names."""
    return re.sub(r"the argument (\w+)=|(?<![\w.])(keys)=", lambda match: f"--{match[1] or match[2]}", message)


def unknown(name: str, known: tuple[str, ...]) -> str:
    """Return a sentence that says that there is no setting ``name``, and which one was probably meant."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"the settings are {', '.join(sorted(known))}"
    return f"there is no setting {name!r}; {hint}"
