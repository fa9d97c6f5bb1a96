"""Where the keys come from: a fixed JWKS, or a file that is read again when it changes."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from synthetic._config.watched import WatchedFile
from synthetic._wire.keys import VERIFIED, Keys, keys_in, parse_keys

__all__ = ["KeySource", "load_keys"]

_log = logging.getLogger("synthetic")


class KeySource:
    """A source of keys: a fixed JWKS, or a file that is read again when it changes."""

    def __init__(self, fixed: Keys | None = None, file: WatchedFile[Keys | None] | None = None) -> None:
        self._fixed = fixed
        self._file = file
        self._remembered = VERIFIED

    def remember(self, tokens: int) -> None:
        """Have each generation of keys remember so many verified tokens."""
        self._remembered = tokens
        if self._fixed is not None:
            self._fixed.verified.limit = tokens

    def current(self) -> Keys | None:
        """Return the current keys; None if there are none: not configured, or all revoked."""
        if self._file is None:
            return self._fixed
        keys = self._file.content()
        if keys is not None and keys.verified.limit != self._remembered:
            keys.verified.limit = self._remembered
        return keys


def load_keys(value: object, base: Path) -> KeySource:
    """Return the key source for a setting: a JWKS as a dict, as JSON text, or as the path of a file.

    None gives a source without keys, and so does a JWKS or a file without keys. A relative path starts at ``base``.
    Raises ValueError for a JWKS that cannot work, and for a file that does not exist.
    """
    if value is None:
        return KeySource()
    if isinstance(value, Mapping):
        return KeySource(keys_in(cast("Mapping[str, Any]", value)))
    if isinstance(value, str) and value.lstrip().startswith(("{", "[", '"')):
        return KeySource(parse_keys(value))
    if isinstance(value, (str, Path)):
        return KeySource(file=_key_file(base / value))
    raise ValueError(
        f"a value of type {type(value).__name__} is not a JWKS; give a dict, JSON text, or the path of a file"
    )


def _key_file(path: Path) -> WatchedFile[Keys | None]:
    try:
        return WatchedFile(path, partial(_keys_in_file, path), must_exist=True)
    except OSError as error:
        # The value is quoted only if it is, or looks like, a file name: otherwise it may be a secret.
        is_name = os.path.exists(path) or 1 < len(path.suffix) <= len(".jwks.")
        named = str(path) if is_name else "the value (not shown, because it may be a secret)"
        problem = (
            f"{named} is neither a JWKS in JSON nor the path of a readable file: {error.strerror}. "
            "Give the path of a JWKS, for example public.jwks; synthetic-traffic keygen makes one"
        )
    except UnicodeDecodeError:
        problem = "the key file is not UTF-8"
    # Raised outside of the handlers: the handled error would be its context, and that holds the file's content.
    raise ValueError(problem)


def _keys_in_file(path: Path, content: bytes) -> Keys | None:
    """Return the keys of a key file. An empty file, like a deleted one, has none: that is how the last is revoked."""
    text = content.decode("utf-8-sig")
    keys = parse_keys(text) if text.strip() else None
    if keys is None:
        _log.warning("%s has no keys now, so every marker is refused (no-keys)", path)
    return keys
