"""Which names of baggage entries spell the marker's key, once they are decoded as often as anybody may decode them.

Each service on the way may decode a name once more, so names are decoded until nothing changes. Every step is linear in
the length of the names. Nearly all of the work is done in C.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

__all__ = ["entry_pattern", "is_complete", "name_pattern", "percent_decoded", "spelled"]

_WIDE_SPACES: Final = "\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_ASCII_SPACES: Final = "\t-\r\x1c- "
"""Together what ``str.strip`` removes, and U+FEFF, which other languages remove too."""

_WIDE: Final = re.compile(f"[{_WIDE_SPACES}]+")
_CHAIN: Final = re.compile("%(?:25){2,}")
_STRAY: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_DIGIT: Final = re.compile("%(?:25|3[0-9]|[46][1-6])")
"""An escape that stands for a character of another escape."""

_HEX: Final = frozenset("0123456789abcdefABCDEF")

_ROUNDS: Final = 8
"""Decodings after which a name without nested escapes has long stopped changing."""

_NESTED_LIMIT: Final = 1024
"""Characters of names with nested escapes (``%%37%33``) that are decoded. If there are more, every name counts as ours.

No program encodes names like this.
"""


@lru_cache(maxsize=16)
def name_pattern(key: str) -> re.Pattern[str]:
    """Return the pattern that finds names that may spell ``key``, in a list of entries in ASCII, after a comma."""
    return re.compile(_name(key, _ASCII_SPACES))


@lru_cache(maxsize=16)
def entry_pattern(key: str) -> re.Pattern[str]:
    """Return the pattern that finds the entries with such names, in any text. Its groups are the name and the value."""
    return re.compile(rf"{_name(key, _ASCII_SPACES + _WIDE_SPACES)}(?:=([^;,]*))?")


def _name(key: str, spaces: str) -> str:
    # No spelling of the key is shorter than the key, or begins with other characters. No repeat is ever undone, so that
    # the search never goes back. A name like "sentry" is passed over with its second character.
    other = f"(?!{re.escape(key[0])}[^{re.escape(key[1])}%])" if len(key) > 1 else ""
    first = f"{other}[{re.escape(key[0])}%+{spaces}]"
    return rf",({first}[{re.escape(key)}0-9a-fA-F%+{spaces}]{{{len(key) - 1}}}[^=;,]*)"


def spelled(names: Collection[str], key: str) -> Collection[str]:
    """Return those of ``names`` that spell ``key``. All must be names that a pattern has found."""
    found: set[str] = set()
    text = ",".join(names)
    for _ in range(_ROUNDS):
        text = _with_plain_spaces(text)
        if key in text:
            found.update(name for name, form in zip(names, text.split(","), strict=True) if form.strip() == key)
        if "%" not in text:
            return found
        if _STRAY.search(text):
            forms = text.split(",")
            nested = _spelled_nested(zip(names, forms, strict=True), key) if _DIGIT.search(text) else ()
            if nested is None:
                return names
            found.update(nested)
            complete = {name: form for name, form in zip(names, forms, strict=True) if not _STRAY.search(form)}
            names, text = complete.keys(), ",".join(complete.values())
        text = percent_decoded(text)
    return names


def _spelled_nested(names: Iterable[tuple[str, str]], key: str) -> list[str] | None:
    """Return those that spell ``key``, of names with their present forms; None if there are too many to tell."""
    found: list[str] = []
    length = 0
    for name, form in names:
        # Each escape makes a name two characters shorter, and the key has no per cent sign.
        if len(form) - 2 * form.count("%") >= len(key) and _STRAY.search(form) and _DIGIT.search(form):
            length += len(form)
            if length > _NESTED_LIMIT:
                return None
            if _without_escapes(form) == key:
                found.append(name)
    return found


def _without_escapes(name: str) -> str:
    """Return ``name`` when no escape is left in it. Read from its end, every escape is complete when its sign comes."""
    done: list[str] = []
    for character in reversed(name):
        while character == "%" and len(done) > 1 and done[-1] in _HEX and done[-2] in _HEX:
            character = chr(int(done.pop() + done.pop(), 16))
        done.append(character)
    return _with_plain_spaces(_as_utf8("".join(reversed(done)))).strip()


def is_complete(text: str) -> bool:
    """Whether every per cent sign of ``text`` begins an escape."""
    return _STRAY.search(text) is None


def percent_decoded(text: str) -> str:
    """Return ``text``, in which every escape is complete, decoded once.

    Encoded commas, backslashes, and all but ASCII become other characters.
    """
    text = _CHAIN.sub("%25", text) if "%2525" in text else text
    text = text.replace("%2c", "%00").replace("%2C", "%00").replace("\\", "\x00").replace("%", "\\x")
    return _as_utf8(text.encode("ascii", "replace").decode("unicode_escape"))


def _as_utf8(text: str) -> str:
    return text if text.isascii() else text.encode("latin-1", "replace").decode("utf-8", "replace")


def _with_plain_spaces(text: str) -> str:
    return (text if text.isascii() else _WIDE.sub(" ", text)).replace("+", " ")
