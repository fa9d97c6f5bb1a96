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

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """The parsed content of a file. It is read again when the file changes, and checked at most once per second.

    The constructor reads the file first, and raises any error. If a later read fails, the error is logged and the old
    content stays. A missing file is an error unless ``absent`` gives its content.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T], *, absent: T | None = None) -> None:
        self.path = path
        self._parse = parse
        self._absent = absent
        self._stamp = self._stat()
        self._content = self._read()
        self._next_look = time.monotonic() + _LOOK_AGAIN

    def content(self) -> T:
        """Return the content, after checking the file if a check is due."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self._content

    def _look(self) -> None:
        # No lock: a fork could leave it locked, and two threads that both read do no harm.
        self._next_look = time.monotonic() + _LOOK_AGAIN
        stamp = self._stat()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._content = self._read()
        except Exception as error:  # any parser error: the old content stays active
            _log.error("%s changed and is invalid; its previous content stays active: %s", self.path, error)

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self) -> T:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            if self._absent is None:
                raise
            return self._absent
        return self._parse(content)
