"""The marker's entry in a raw ``baggage`` header: find it, remove it, put it first. Foreign bytes never change.

Headers are text in latin-1, one character per byte. An entry counts as the marker's if any reader of any supported
OpenTelemetry release would read it as that, or if more decoding would make it that. This is wider than the entries that
are accepted. Every step is linear in the length of the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from synthetic._wire.readings import members_as_read, readings, utf8_in
from synthetic._wire.spelling import entry_pattern, name_pattern, spelled

__all__ = [
    "HEADER_LIMIT",
    "NOTHING",
    "SEARCH_LIMIT",
    "TOO_LONG",
    "Found",
    "entry_of",
    "find",
    "first_token",
    "forward",
    "forward_joined",
    "merge",
]

HEADER_LIMIT: Final = 8192
"""Bytes. OpenTelemetry ignores a longer header (W3C Baggage asks for support of at least this length)."""

SEARCH_LIMIT: Final = 65_536
"""Bytes of all headers together. Longer ones are not searched, and are refused whatever they hold."""


class Found:
    """What the ``baggage`` headers of one carrier hold.

    ``values`` are the distinct values of the marker's entries, in order. ``odd`` are the values of entries that only an
    unusual spelling or decoding makes the marker's.
    """

    __slots__ = ("_headers", "_key", "_rest", "odd", "values")

    def __init__(
        self,
        values: tuple[str, ...],
        odd: tuple[str, ...],
        headers: Sequence[str],
        key: str,
        rest: tuple[tuple[str, ...], bool] | None = None,
    ) -> None:
        self.values: Final = values
        self.odd: Final = odd
        self._headers = headers
        self._key = key
        self._rest = rest

    def __repr__(self) -> str:
        return f"<found {len(self.values)} entries, {len(self.odd)} odd ones>"  # without values: they may be tokens

    @property
    def is_empty(self) -> bool:
        """True if no entry of the marker was found."""
        return self is NOTHING

    @property
    def foreign(self) -> tuple[str, ...]:
        """The headers without the marker's entries. Empty if they were too long to search."""
        return self._without()[0]

    @property
    def is_clean(self) -> bool:
        """False if a reader would still find such an entry in ``foreign``: then only refusing is safe."""
        return self is not TOO_LONG and self._without()[1]

    def _without(self) -> tuple[tuple[str, ...], bool]:
        rest = self._rest
        if rest is None:
            foreign = _without_plain(self._headers, self._key)
            rest = self._rest = _without_odd(foreign, self._key) if self.odd else (foreign, True)
        return rest


NOTHING: Final = Found((), (), (), "")

TOO_LONG: Final = Found((), (), (), "")
"""The headers were too long to search."""


def entry_of(key: str, token: str) -> str:
    """Return the baggage entry that carries ``token``."""
    return f"{key}={token}"


def find(headers: Sequence[str], key: str) -> Found:
    """Return what ``headers`` (the values of every ``baggage`` header, latin-1) hold under ``key``."""
    if len(headers) == 1:
        joined = headers[0]
        if len(joined) > SEARCH_LIMIT:
            return TOO_LONG
    elif len(headers) > SEARCH_LIMIT or sum(map(len, headers)) > SEARCH_LIMIT:
        return TOO_LONG
    else:
        joined = ",".join(headers)
    # Readers differ only on bytes beyond ASCII, and decode only names.
    if not joined.isascii():
        return _found(headers, joined, key)
    names = name_pattern(key).findall("," + joined)
    if not names:
        return NOTHING  # nearly always
    return _only_plain(headers, key) if names == [key] else _found(headers, joined, key)


def first_token(header: str, key: str) -> str | None:
    """Return the value of the marker's entry if the header looks as ``forward`` makes it; None if ``find`` must look.

    The value is not checked. The entry is canonical only if the value is an authentic token.
    """
    prefix = key + "="
    if not header.startswith(prefix) or len(header) > HEADER_LIMIT:
        return None
    token, _, others = header[len(prefix) :].partition(",")
    return token if not others or find((others,), key) is NOTHING else None


def _only_plain(headers: Sequence[str], key: str) -> Found:
    """Return the only entry whose name begins like the key, and is the key."""
    value = ""
    foreign: list[str] = []
    for header in headers:
        before, comma, entry = f",{header}".partition(f",{key}")
        if not comma:
            foreign.append(header)
            continue
        member, comma, after = entry.partition(",")
        value = member[1:].partition(";")[0].strip(" \t") if member.startswith("=") else ""
        rest = f"{before[1:]}{comma}{after}" if before else after
        if rest.strip(", \t"):
            foreign.append(rest)
    return Found((value,), (), headers, key, (tuple(foreign), True))


def _found(headers: Sequence[str], joined: str, key: str) -> Found:
    values, odd = _search(headers, key)
    if values and not odd and not joined.isascii():
        foreign = _without_plain(headers, key)
        if _wide(joined) > sum(map(_wide, foreign)):
            # Without the bytes of the entries that were found, others may be UTF-8.
            odd = _odd_in(utf8_in(foreign, key), key)
    return Found(values, odd, headers, key) if values or odd else NOTHING


def _wide(text: str) -> int:
    """Return the number of characters beyond ASCII."""
    return len(text) - len(text.encode("ascii", "ignore"))


def _search(headers: Sequence[str], key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the values of the marker's entries, and those from each reader that finds others as well."""
    pattern = entry_pattern(key)
    read: list[list[tuple[str, str]]] = []
    for text in readings(headers, key):
        entries = pattern.findall("," + text)
        if entries not in read:
            read.append(entries)
    names = {name for entries in read for name, _ in entries}
    plain = {name for name in names if name.strip(" \t") == key}
    odd_names = names - plain
    odd_names.intersection_update(spelled(odd_names, key))
    values = [value for name, value in read[0] if name in plain]
    odd: dict[str, None] = {}
    for entries in read:
        found = [value for name, value in entries if name in plain or name in odd_names]
        if len(found) > len(values) or not odd_names.isdisjoint(name for name, _ in entries):
            odd.update(dict.fromkeys(found))
    return _distinct(values), _distinct(odd)


def _odd_in(text: str, key: str) -> tuple[str, ...]:
    entries = entry_pattern(key).findall("," + text)
    ours = spelled({name for name, _ in entries}, key)
    return _distinct(value for name, value in entries if name in ours)


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value.strip(" \t") for value in dict.fromkeys(values)))


def forward(foreign: Sequence[str], entry: str) -> list[str]:
    """Return the header values to send on: ``entry`` first, then ``foreign`` unchanged.

    The entry joins the first foreign header, because OpenTelemetry's ASGI getter reads only one. If that header would
    exceed ``HEADER_LIMIT``, OpenTelemetry would ignore it, so the entry gets its own header.
    """
    if not foreign:
        return [entry]
    if len(entry) + 1 + len(foreign[0]) > HEADER_LIMIT:
        return [entry, *foreign]
    return [f"{entry},{foreign[0]}", *foreign[1:]]


def forward_joined(values: Sequence[str], *, is_simulated: bool) -> str:
    """Return the values from ``forward`` as one, for a carrier with one header per name; empty if nothing is left.

    OpenTelemetry would ignore a header over ``HEADER_LIMIT``. In that case the marker's entry is sent alone.
    """
    header = ",".join(values)
    return values[0].partition(",")[0] if is_simulated and len(header) > HEADER_LIMIT else header


def merge(header: str, found: Found, entry: str | None) -> str | None:
    """Return one header value: ``entry`` first, then ``header`` without the marker's entries; None if nothing is left.

    ``found`` is the result of ``find`` for ``header``.
    """
    rest = header if found.is_empty else ",".join(found.foreign)
    if entry is None:
        return rest or None
    return f"{entry},{rest}" if rest.strip(" \t") else entry


@lru_cache(maxsize=16)
def _plain_member(key: str) -> re.Pattern[str]:
    return re.compile(rf",[ \t]*{re.escape(key)}[ \t]*(?![^=;,])[^,]*")


def _without_plain(headers: Sequence[str], key: str) -> tuple[str, ...]:
    kept: list[str] = []
    for header in headers:
        if key in header:
            rest = _plain_member(key).sub("", "," + header)
            if len(rest) <= len(header):
                if rest.strip(", \t"):
                    kept.append(rest[1:])
                continue
        kept.append(header)
    return tuple(kept)


def _without_odd(headers: Sequence[str], key: str) -> tuple[tuple[str, ...], bool]:
    """Return the headers without oddly spelled entries, and whether no reader finds one in them.

    A header that has other readings, and is longer than any reader takes, keeps its entries: to search each of its
    members would take long.
    """
    kept: list[str] = []
    has_readings = [not header.isascii() or "\\" in header for header in headers]
    for header, has_other in zip(headers, has_readings, strict=True):
        dropped = None if has_other and len(header) > HEADER_LIMIT else _odd_members(header, key)
        if dropped is None:
            return tuple(headers), False
        if not dropped:
            kept.append(header)
            continue
        members: list[str | None] = [*header.split(",")]
        for index in dropped:
            members[index] = None
        rest = ",".join([member for member in members if member is not None])
        if rest.strip(", \t"):
            kept.append(rest)
    return tuple(kept), not (any(has_readings) and any(_search(kept, key)))


def _odd_members(header: str, key: str) -> set[int] | None:
    """Return the indices of the members that a reader takes for the marker's; None if that cannot be told."""
    dropped: set[int] = set()
    for read in members_as_read(header):
        if read is None:
            return None
        text, boundary = read
        text = boundary + text
        entries = list(entry_pattern(key).finditer(text))
        ours = spelled({entry[1] for entry in entries}, key)
        index, position = -1, 0
        for entry in entries:
            if entry[1] in ours:
                index += text[position : entry.start() + len(boundary)].count(boundary)
                position = entry.start() + 1
                dropped.add(index)
    return dropped
