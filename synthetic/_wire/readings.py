r"""What the readers of supported OpenTelemetry releases make of the bytes of ``baggage`` headers.

Their ASGI getter decodes a header as UTF-8, and one with a stray byte as ``unicode_escape`` (``\x73``). All others
read latin-1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["members_as_read", "readings", "utf8_in"]

_BEGINNINGS: Final = "01234567nrtfvxuU\n"
"""What follows the backslash of an escape that can stand for a character of an entry's name, or for white space."""

_NO_BEGINNING: Final = re.compile(rf"\\(?![{_BEGINNINGS}])")
_NO_BYTE: Final = re.compile(r"\\[4-7][0-7]{2}")
_NAMED: Final = re.compile(r"\\N\{([^{}]*)\}")
_MOST_NAMES: Final = 64
_MOST_NAMED: Final = 16
"""Different names (``\\N{SPACE}``), and named characters, in headers with a stray byte. No program writes more."""

_REPLACED: Final = "\ufffd"
_BOUNDARY: Final = ",\t"
"""Marks the commas that are not escaped."""


def readings(headers: Sequence[str], key: str) -> Iterator[str]:
    """Yield each text that a reader could make of ``headers`` (latin-1, one character per byte), joined and one by one.

    A list with too many named characters to read counts as one that holds ``key``, oddly spelled.
    """
    joined = ",".join(headers)
    yield joined
    if joined.isascii():
        return
    if not _is_bytes(joined):  # some are text from a caller, not bytes that were received
        if len(headers) > 1:
            yield ",".join([*readings([header], key)][-1] for header in headers)
        return
    text = _as_utf8(joined)
    if text is not None:
        yield text
        return
    if "\\" in joined:
        unescaped = _unescaped(joined)
        yield f"+{key}" if unescaped is None else unescaped
    if len(headers) > 1:
        # A reader that decodes each header by itself treats only one with a stray byte differently.
        yield utf8_in(headers, key)


def utf8_in(headers: Sequence[str], key: str) -> str:
    """Return those headers that are UTF-8, decoded and joined, as far as they are long enough to hold ``key``."""
    long_enough = (header for header in headers if len(header) >= len(key) and not header.isascii())
    each = (_as_utf8(header) for header in long_enough if _is_bytes(header))
    return ",".join(text for text in each if text is not None)


def members_as_read(header: str) -> Iterator[tuple[str, str] | None]:
    """Yield each text in which a reader could find an entry, with the boundary between the members of ``header``.

    Yield None if the members cannot be told apart.
    """
    yield header, ","
    if not header.isascii():
        yield header.encode("latin-1", "replace").decode("utf-8", "replace"), ","
    if "\\" in header:
        text = _unescaped(header.replace(",", ",\\t"))
        is_clear = text is not None and text.count(_BOUNDARY) == header.count(",")
        yield (text, _BOUNDARY) if text is not None and is_clear else None


def _is_bytes(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _as_utf8(header: str) -> str | None:
    """Return the bytes of ``header`` as UTF-8; None if they are not."""
    data = header.encode("latin-1")
    text = data.decode("utf-8", "replace")  # to catch an error would take longer
    return text if _REPLACED not in text or text.encode() == data else None


def _unescaped(text: str) -> str | None:
    """Return ``text`` with its escapes decoded; None if it has too many named characters."""
    text = text.replace("\x00", "?").replace("\\\\", "??")
    if "\\N" in text:
        names = set(_NAMED.findall(text))
        numbered = {} if len(names) > _MOST_NAMES else {name: escape for name in names if (escape := _numbered(name))}
        if len(names) > _MOST_NAMES or len(numbered) > _MOST_NAMED:
            return None
        for name, escape in numbered.items():
            text = text.replace(f"\\N{{{name}}}", escape)
    text = _NO_BYTE.sub("?", text)
    # The codec warns about a backslash that begins no escape, so none is left.
    if text.count("\\") < len(text) // 16:
        text = _NO_BEGINNING.sub("?", text)
    else:  # takes longer, but not if there are more
        for beginning in _BEGINNINGS:
            text = text.replace(f"\\{beginning}", f"\x00{beginning}")
        text = text.replace("\\", "?").replace("\x00", "\\")
    return text.encode("latin-1", "replace").decode("unicode_escape", "replace")


def _numbered(name: str) -> str:
    """Return the escape with the number of a named character; empty if there is none."""
    try:
        found = unicodedata.lookup(name)
    except KeyError:
        return ""
    if len(found) > 1:
        return ""  # a sequence, which the codec does not know
    return f"\\x{ord(found):02x}" if ord(found) < 256 else f"\\U{ord(found):08x}"
