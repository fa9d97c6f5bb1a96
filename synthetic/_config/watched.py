"""A file that is read again when it changes. It needs no thread, so forking stays safe."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["WatchedFile"]

_log = logging.getLogger("synthetic")

_LOOK_AGAIN = 1.0
"""Seconds between two checks of a file."""

_LOG_AGAIN = 60.0
"""Seconds after which the error about an invalid file is logged again."""

_RECENT = 2.0
"""Seconds for which a changed file may change again without a new time stamp: file systems count in coarse steps."""

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """The parsed content of a file. It is read again when the file changes, and checked at most once per second.

    The constructor reads the file first, and raises any error. After that, a file that was deleted counts as an empty
    one. If the file is invalid, the old content stays active and the error is logged, again each minute. With
    ``must_exist``, a file that is missing at first is an error; otherwise it counts as an empty one.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T], *, must_exist: bool) -> None:
        self.path = path
        self._parse = parse
        self._stamp = self._stat()
        if must_exist and self._stamp is None:
            os.stat(path)
        self._content, self._read_hash = self._read(None)
        self._next_look = time.monotonic() + _LOOK_AGAIN
        self._log_at: float | None = None

    def content(self) -> T:
        """Return the content, after checking the file if a check is due."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self._content

    def _look(self) -> None:
        # No lock: a fork could leave it locked, and two threads that both read do no harm.
        now = time.monotonic()
        self._next_look = now + _LOOK_AGAIN
        stamp = self._stat()
        is_new = stamp != self._stamp
        if not (is_new or _is_recent(stamp) or self._log_at is not None):
            return
        self._stamp = stamp
        try:
            self._content, self._read_hash = self._read(self._read_hash)
            self._log_at = None
        except Exception as error:  # any parser error: the old content stays active
            if is_new or self._log_at is None or now >= self._log_at:
                self._log_at = now + _LOG_AGAIN
                _log.error("%s changed and is invalid; its previous content stays active: %s", self.path, error)

    def _stat(self) -> tuple[int, int, int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)

    def _read(self, known: int | None) -> tuple[T, int]:
        """Return the content and a hash of it. Content with the hash ``known`` is not parsed again."""
        try:
            content = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            content = b""
        found = hash(content)
        return (self._content if found == known else self._parse(content)), found


def _is_recent(stamp: tuple[int, int, int, int] | None) -> bool:
    return stamp is not None and abs(time.time() - max(stamp[:2]) / 1e9) < _RECENT
