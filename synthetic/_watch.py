"""A file whose content is looked at again when it changes: no thread, so that forking stays safe."""

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
"""Seconds between two looks at a file."""

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """The parsed content of a file, read again when the file changes and looked at no more than once a second.

    The first reading happens here and its errors are the caller's. A later one that fails keeps the old content and
    is logged. A missing file is an error unless ``absent`` gives the content to assume.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T], *, absent: T | None = None) -> None:
        self.path = path
        self._parse = parse
        self._absent = absent
        self._stamp = self._stat()
        self._content = self._read()
        self._next_look = time.monotonic() + _LOOK_AGAIN

    def content(self) -> T:
        """Return the content, after a new look at the file where one is due."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self._content

    def _look(self) -> None:
        # Without a lock, which a fork could leave locked: two threads that both read do no harm.
        self._next_look = time.monotonic() + _LOOK_AGAIN
        stamp = self._stat()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._content = self._read()
        except Exception as error:  # any parser error: the old content stays in force
            _log.error("%s changed and cannot be used; what it held before stays in force: %s", self.path, error)

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
