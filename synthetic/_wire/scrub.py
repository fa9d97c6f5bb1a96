"""Taking tokens out of what is recorded: error reports, local variables, log entries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from synthetic._wire.token import TYPE, cut_part

__all__ = ["REMOVED", "without_tokens"]

REMOVED: Final = "[synthetic token]"
"""What stands in place of a token."""

_DEPTH: Final = 60
"""Levels of nested values that are searched. Deeper ones are removed, as is a value inside itself."""

# A JWS, whole or cut at its end. Its header is an object in JSON, so its encoding begins with that of {".
_JWS: Final = r"eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,2}"


def without_tokens(value: Any, key: str) -> Any:
    """Return ``value`` without tokens: text, bytes, or mappings, lists and tuples of these.

    A value that has none is returned as it is, and never changed. A token counts if it is cut at its end, and what
    stands behind ``key`` in a baggage header counts whatever it is. Other objects stay.
    """
    return _scrubbed(value, _pattern(key), ())


def _scrubbed(value: Any, pattern: re.Pattern[str], around: tuple[int, ...]) -> Any:
    if isinstance(value, str):
        return _in_text(value, pattern)
    if isinstance(value, (bytes, bytearray)):
        text = bytes(value).decode("latin-1")
        clean = _in_text(text, pattern)
        return value if clean == text else type(value)(clean.encode("latin-1"))
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    inner = cast("Any", value)
    if len(around) > _DEPTH or id(inner) in around:
        return REMOVED

    def scrub(one: Any) -> Any:
        return _scrubbed(one, pattern, (*around, id(inner)))

    return _in_mapping(inner, scrub) if isinstance(value, Mapping) else _in_list(inner, scrub)


def _in_mapping(value: Mapping[Any, Any], scrub: Callable[[Any], Any]) -> Any:
    clean = {scrub(name): scrub(inner) for name, inner in value.items()}
    is_same = all(clean.get(name, REMOVED) is inner for name, inner in value.items())
    return value if is_same else clean


def _in_list(value: list[Any] | tuple[Any, ...], scrub: Callable[[Any], Any]) -> Any:
    items = [scrub(one) for one in value]
    if all(one is other for one, other in zip(value, items, strict=True)):
        return value
    return items if isinstance(value, list) else tuple(items)


def _in_text(text: str, pattern: re.Pattern[str]) -> str:
    clean = pattern.sub(_replaced, text)
    return text if clean == text else clean


@lru_cache(maxsize=8)
def _pattern(key: str) -> re.Pattern[str]:
    # Behind the key: what can be a value, in the header as it is, quoted for a URL, or in the repr of a list.
    entry = rf"(?P<name>{re.escape(key)}[ \t]*(?:=|%3[Dd])[ \t]*)(?P<value>[A-Za-z0-9_.~%+-]+)"
    return re.compile(rf"{entry}|{_JWS}", re.ASCII)


def _replaced(match: re.Match[str]) -> str:
    if match["name"] is not None:
        return match["name"] + REMOVED
    header = cut_part(match[0].partition(".")[0])
    return REMOVED if TYPE in header else match[0]
