"""Which runs are halted: those in the setting ``halt``, and those in a file that is read again when it changes."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

from synthetic._config.configuration import ALL_RUNS
from synthetic._config.readers import Raw, names
from synthetic._config.watched import WatchedFile
from synthetic._model.marker import is_name

__all__ = ["halt_file", "halted"]

_NOT_RUNS: Final = ("1", "true", "yes", "on", "*")
"""Values that probably mean ``all``."""

_log = logging.getLogger("synthetic")


def halted(raw: Raw) -> frozenset[str]:
    """Read the names of halted runs."""
    return frozenset(map(_name, names(raw)))


def halt_file(raw: Raw) -> WatchedFile[frozenset[str]]:
    """Read the path of a file with the names of halted runs."""
    if not isinstance(raw.value, (str, Path)):
        raise ValueError(f"{raw.value!r} is not the path of a file; a value that works: 'halted.txt'")
    path = raw.base / raw.value
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist; create it, or name a file in another folder")
    try:
        return WatchedFile(path, _halted_in, must_exist=False)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def _halted_in(content: bytes) -> frozenset[str]:
    try:
        found = re.findall(r"[^,\s]+", re.sub(r"#.*", "", content.decode("utf-8-sig")))
        return frozenset(map(_name, found))
    except ValueError as error:
        # The file is there to stop a run, and refusing simulated requests does no harm.
        _log.error("the halt file is invalid, so every run is halted: %s", error)
        return frozenset({ALL_RUNS})


def _name(name: str) -> str:
    if name.lower() == ALL_RUNS:
        return ALL_RUNS
    if name.lower() in _NOT_RUNS or not is_name(name):
        raise ValueError(f"{name!r} is not the name of a run; values that work: 'all' for every run, 'rush-hour'")
    return name
