"""Where the keys come from: a fixed JWKS, or a file that is read again when it changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from synthetic._config.watched import WatchedFile
from synthetic._wire.keys import VERIFIED, Keys, keys_in, parse_keys

__all__ = ["KeySource", "load_keys"]


class KeySource:
    """A source of keys: a fixed JWKS, or a file that is read again when it changes."""

    def __init__(self, fixed: Keys | None = None, file: WatchedFile[Keys] | None = None) -> None:
        self._fixed = fixed
        self._file = file
        self._remembered = VERIFIED

    def remember(self, tokens: int) -> None:
        """Have each generation of keys remember so many verified tokens."""
        self._remembered = tokens
        if self._fixed is not None:
            self._fixed.verified.limit = tokens

    def current(self) -> Keys | None:
        """Return the current keys; None if no keys are configured."""
        if self._file is None:
            return self._fixed
        keys = self._file.content()
        if keys.verified.limit != self._remembered:
            keys.verified.limit = self._remembered
        return keys


def load_keys(value: object, base: Path) -> KeySource:
    """Return the key source for a setting: a JWKS as a dict, as JSON text, or as the path of a file.

    None gives a source without keys. A relative path starts at ``base``. Raises ValueError for a JWKS that cannot work.
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


def _key_file(path: Path) -> WatchedFile[Keys]:
    try:
        return WatchedFile(path, lambda content: parse_keys(content.decode("utf-8-sig")))
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
