"""The dial: a JSON document that says how many actors act, and until when.

``{"users": 40, "rate": 10, "until": 1800000000}``, or ``{"stop": true}``. A setting is a lease (``until``, in seconds
since the epoch): whoever turns the dial has to renew it, and nobody acts any more when the lease is over.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard, cast

__all__ = ["CLOCKS", "LONGEST_LEASE", "Setting", "is_url", "parse", "read", "says_stop", "write"]

LONGEST_LEASE: Final = 24 * 3600
"""Seconds. A document with a longer lease counts as unreadable: somebody has made a mistake."""

CLOCKS: Final = 5.0
"""Seconds by which two clocks may differ."""

_RATE: Final = 10.0
"""Users per second that are started, unless the document says otherwise."""

_LARGEST: Final = 1e12

_PATIENCE: Final = 1.0
"""Seconds that a URL is waited for."""


class Setting(NamedTuple):
    """What the dial says now: the number of users, and how many of them start each second."""

    users: int
    rate: float = _RATE
    until: float = 0.0
    is_stop: bool = False
    """Whether the run ends."""
    written: float | None = None
    """When it was written, in seconds since the epoch, by the clock of whoever wrote it. None if it does not say."""

    def at(self, now: float) -> Setting:
        """Return the setting at this time: nobody acts when the lease is over."""
        return self if self.is_stop or now < self.until else self._replace(users=0)


STOP: Final = Setting(0, is_stop=True)


def is_url(source: str) -> bool:
    """Whether the dial is read over HTTP. Such a dial is only read, never written."""
    return source.startswith(("http://", "https://"))


def read(source: str, now: float) -> Setting:
    """Return what the dial at a path or URL says. Raises ValueError if it cannot be read or says nothing valid."""
    try:
        if is_url(source):
            with urllib.request.urlopen(source, timeout=_PATIENCE) as answer:
                text = answer.read(65536).decode()
        else:
            text = Path(source).read_text(encoding="utf-8")
    except (OSError, HTTPException, ValueError) as error:
        raise ValueError(f"the dial {source} cannot be read: {error}") from error
    return parse(text, now)


def parse(text: str, now: float) -> Setting:
    """Return the setting in a document. Raises ValueError that says what is wrong."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the dial is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("the dial is not a JSON object")
    said = cast("dict[str, Any]", document)
    stop = said.get("stop", False)
    if not isinstance(stop, bool):
        raise ValueError(f"the dial's 'stop' is neither true nor false: {stop!r}")
    if stop:
        return STOP
    users, rate, until = said.get("users"), said.get("rate", _RATE), said.get("until")
    if isinstance(users, bool) or not isinstance(users, int) or users < 0:
        raise ValueError(f"the dial has no number of users: {users!r}")
    if not _is_number(rate) or rate <= 0:
        raise ValueError(f"the dial's rate is not a number of users per second: {rate!r}")
    if not _is_number(until):
        raise ValueError("the dial has no end: 'until' is the time, in seconds since the epoch, at which it is over")
    if until > now + LONGEST_LEASE + CLOCKS:
        raise ValueError("the dial's end is more than 24 hours ahead; renew a shorter setting instead")
    written = said.get("written")
    return Setting(users, float(rate), float(until), written=float(written) if _is_number(written) else None)


def _is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < _LARGEST  # also no infinity, and nothing that is not a number


def write(path: Path, document: dict[str, Any], *, unless_stop: bool = False) -> bool:
    """Write a document in one step: a reader sees the old one or the new one, whole.

    With ``unless_stop``, a dial that says stop is left as it is. Return whether the document was written.
    """
    with _alone_in(path.parent):
        if unless_stop and says_stop(path):
            return False
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, _mode_of(path))
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    return True


def says_stop(path: Path) -> bool:
    """Whether the dial at ``path`` says stop. One that is missing or unreadable does not."""
    try:
        return parse(path.read_text(encoding="utf-8"), 0.0).is_stop
    except (OSError, ValueError):
        return False


@contextmanager
def _alone_in(folder: Path) -> Generator[None, None, None]:
    """Keep other writers out of ``folder``: between a look at the dial and a write, another one could be lost."""
    if not folder.is_dir():
        raise ValueError(f"the folder {folder} does not exist; make it first")
    if sys.platform == "win32":
        yield  # it has no such lock
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _mode_of(path: Path) -> int:
    """Return the mode of the file that is replaced: its readers may be other users."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o644
