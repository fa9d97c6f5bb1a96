"""Our entry in a raw ``baggage`` header: found, removed, put first. Every foreign byte stays as it came.

Headers are handled as text in latin-1, one character a byte. What is *ours* is decided by what any supported
OpenTelemetry release would make of the bytes, in whichever of its readers: that is wider than what we accept. Every
step is linear in the length of the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus

__all__ = ["HEADER_LIMIT", "NOTHING", "Found", "entry_of", "find", "first_token", "forward", "forward_joined", "merge"]

HEADER_LIMIT = 8192
"""Bytes of a header above which OpenTelemetry reads none of it (W3C Baggage asks for at least that much)."""

_ODD_NAME = re.compile(r"(?:^|,)[^=,;%+]*[%+]")
_ESCAPE = re.compile(r"\\(?:[\\'\"abfnrtv\n]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|N\{[^{}]*\})")


class Found(NamedTuple):
    """What the ``baggage`` headers of one carrier hold.

    ``values`` are the distinct values of our entries, in order; ``odd`` are the values of those that only an odd
    spelling or decoding makes ours. ``foreign`` is the headers without any entry of ours. ``is_clean`` is False where
    an entry of ours would still be found in ``foreign``, so that only refusing is safe.
    """

    values: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    is_clean: bool = True

    def __repr__(self) -> str:
        return f"<found {len(self.values)} entries of ours, {len(self.odd)} odd ones>"  # never what they hold

    @property
    def is_empty(self) -> bool:
        """True where nothing of ours was found."""
        return not (self.values or self.odd)


NOTHING = Found()


def entry_of(key: str, token: str) -> str:
    """Return the baggage entry that carries ``token``."""
    return f"{key}={token}"


def find(headers: Sequence[str], key: str) -> Found:
    """Return what ``headers`` (the values of every ``baggage`` header, latin-1) hold under ``key``."""
    return NOTHING if _is_foreign(",".join(headers), key) else _found(headers, key)


def first_token(headers: Sequence[str], key: str) -> str | None:
    """Return the value of our entry where the headers are as we would send them on; None where ``find`` must look.

    What is returned is not looked into: only an authentic token makes it a canonical entry.
    """
    if len(headers) != 1 or len(headers[0]) > HEADER_LIMIT or not headers[0].startswith(key + "="):
        return None
    token, _, others = headers[0][len(key) + 1 :].partition(",")
    return token if not others or _is_foreign(others, key) else None


def _is_foreign(text: str, key: str) -> bool:
    """Whether no reader can find anything of ours: only names are decoded, and bytes beyond ASCII are read twice."""
    if key in text or not text.isascii():
        return False
    return not ("%" in text or "+" in text) or _ODD_NAME.search(text) is None


def _found(headers: Sequence[str], key: str) -> Found:
    values: dict[str, None] = {}
    foreign: list[str] = []
    plain = 0
    for header in headers:
        members = header.split(",")
        ours = [member for member in members if _is_plain(member, key)]
        plain += len(ours)
        values.update((_value_of(member), None) for member in ours)
        foreign.extend(_rejoined(header, members, [member for member in members if not _is_plain(member, key)]))
    odd = _hidden(headers, key, plain) or _hidden(foreign, key, 0)
    if odd:
        foreign = [text for header in foreign for text in _without_odd(header, key)]
    left = _hidden(foreign, key, 0)
    return Found(tuple(values), odd or left, tuple(foreign), not left) if values or odd or left else NOTHING


def forward(foreign: Sequence[str], entry: str) -> list[str]:
    """Return the header values to send on: ``entry`` first, then ``foreign`` as it is.

    The entry joins the first foreign header, for OpenTelemetry's ASGI getter reads only one; where that header would
    grow over the limit above which nothing of it is read, the entry gets a header of its own.
    """
    if not foreign:
        return [entry]
    if len(entry) + 1 + len(foreign[0]) > HEADER_LIMIT:
        return [entry, *foreign]
    return [f"{entry},{foreign[0]}", *foreign[1:]]


def forward_joined(values: Sequence[str], *, is_simulated: bool) -> str:
    """Return what ``forward`` gave, for a carrier that has one header of a name only; empty where nothing is left.

    OpenTelemetry would read nothing of a header over its limit: there our entry goes alone, so as not to be lost.
    """
    header = ",".join(values)
    return values[0].partition(",")[0] if is_simulated and len(header) > HEADER_LIMIT else header


def merge(header: str, key: str, entry: str | None) -> str | None:
    """Return one header value: ``header`` without our entries and with ``entry`` first; None where nothing is left."""
    found = find((header,), key)
    rest = header if found.is_empty else ",".join(found.foreign)
    if entry is None:
        return rest or None
    return f"{entry},{rest}" if rest.strip(" \t") else entry


def _is_plain(member: str, key: str) -> bool:
    """Whether a member is ours as we write it, white space around key and ``=`` included."""
    if key not in member:
        return False
    name = member.partition("=")[0].partition(";")[0]
    return name.strip(" \t") == key


def _value_of(member: str) -> str:
    name, _, value = member.partition("=")
    return "" if ";" in name else value.partition(";")[0].strip(" \t")


def _rejoined(header: str, members: list[str], kept: list[str]) -> Iterator[str]:
    if len(kept) == len(members):
        yield header
    elif any(member.strip(" \t") for member in kept):
        yield ",".join(kept)


def _hidden(headers: Sequence[str], key: str, plain: int) -> tuple[str, ...]:
    """Return the values of our entries as each reader sees them that finds more than the ``plain`` ones."""
    values: dict[str, None] = {}
    for text in _readings(headers):
        # No spelling of the key is shorter than the key; a header of nothing but commas costs little.
        ours = [member for member in text.split(",") if len(member) >= len(key) and _decoded_name(member) == key]
        if len(ours) > plain:
            values.update((_value_of(unquote_plus(member)), None) for member in ours)
    return tuple(values)


def _decoded_name(member: str) -> str:
    return unquote_plus(member.partition("=")[0].partition(";")[0]).strip()


def _readings(headers: Sequence[str]) -> Iterator[str]:
    """Every text that a supported reader could make of the headers, joined and one by one."""
    joined = ",".join(headers)
    yield joined
    yield from _decodings(joined)
    if len(headers) > 1:
        # Joined again: a stray byte in one header makes another reader decode only that one differently.
        yield ",".join(next(_decodings(header), header) for header in headers)


def _decodings(text: str) -> Iterator[str]:
    """What OpenTelemetry's ASGI getter makes of the bytes, if it differs: UTF-8, else ``unicode_escape``."""
    if text.isascii():
        return
    try:
        yield text.encode("latin-1").decode("utf-8")
    except UnicodeEncodeError:
        return  # not a header's bytes, but text that a client was given
    except UnicodeDecodeError:
        if "\\" in text:
            yield _ESCAPE.sub(_unescape, text)


def _unescape(match: re.Match[str]) -> str:
    # One escape at a time: the codec as a whole warns about unknown escapes, and fails on a cut one.
    if match[0][1] in "01234567":
        return chr(int(match[0][1:], 8))
    try:
        return match[0].encode("ascii").decode("unicode_escape")
    except UnicodeError:
        return match[0]


def _without_odd(header: str, key: str) -> Iterator[str]:
    members = header.split(",")
    kept = [member for member in members if not _has_odd(member, key)]
    yield from _rejoined(header, members, kept)


def _has_odd(member: str, key: str) -> bool:
    readings: Iterable[str] = (member, *_decodings(member), _ESCAPE.sub(_unescape, member))
    return any(_decoded_name(part) == key for text in readings for part in text.split(","))
