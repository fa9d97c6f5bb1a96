"""Reading a TOML file, with an error that names the file and the line."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any, Final

__all__ = ["read_toml"]

_AT_ONCE: Final[int] = getattr(os, "O_NONBLOCK", 0)
"""Opens a named pipe without waiting for a writer."""


def read_toml(path: Path, *, must_be_own: bool = False) -> dict[str, Any]:
    """Return the content of a TOML file. Raises ValueError if it cannot be read or is not TOML.

    With ``must_be_own``, also raises ValueError unless it is a regular file that belongs to this user or to root.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(_own_text(path) if must_be_own else path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except _Foreign as error:
        raise ValueError(str(error)) from None
    except ValueError as error:
        raise ValueError(f"{path} is not TOML: {error}") from error


class _Foreign(Exception):
    """The file may have been put there by somebody else."""


def _own_text(path: Path) -> str:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE)) as file:
        found = os.fstat(file.fileno())  # of the open file: the name may stand for another one a moment later
        if not stat.S_ISREG(found.st_mode):
            raise _Foreign(f"{path} is not a regular file. Remove it, or name the file to read in SYNTHETIC_CONFIG")
        if hasattr(os, "geteuid") and found.st_uid not in (os.geteuid(), 0):
            raise _Foreign(
                f"{path} belongs to another user (uid {found.st_uid}), who could change what this program does. "
                f"If you trust it, set SYNTHETIC_CONFIG={path}"
            )
        return file.read().decode("utf-8")
