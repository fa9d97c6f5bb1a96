"""The marker's entry in a raw ``baggage`` header: find it, remove it, put it first. Foreign bytes never change.

Headers are text in latin-1, one character per byte. An entry counts as the marker's if any reader of any supported
OpenTelemetry release would read it as that. This is wider than the entries that are accepted. Every step is linear in
the length of the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus

__all__ = ["HEADER_LIMIT", "NOTHING", "Found", "entry_of", "find", "first_token", "forward", "forward_joined", "merge"]

HEADER_LIMIT = 8192
"""Bytes. OpenTelemetry ignores a longer header (W3C Baggage asks for support of at least this length)."""

_ODD_NAME = re.compile(r"(?:^|,)[^=,;%+]*[%+]")
_ESCAPE = re.compile(r"\\(?:[\\'\"abfnrtv\n]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|N\{[^{}]*\})")


class Found(NamedTuple):
    """What the ``baggage`` headers of one carrier hold.

    ``values`` are the distinct values of the marker's entries, in order. ``odd`` are the values of entries that only an
    unusual spelling or decoding makes the marker's. ``foreign`` is the headers without the marker's entries.
    ``is_clean`` is False if a reader would still find such an entry in ``foreign``: then only refusing is safe.
    """

    values: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    is_clean: bool = True

    def __repr__(self) -> str:
        return f"<found {len(self.values)} entries, {len(self.odd)} odd ones>"  # without values: they may be tokens

    @property
    def is_empty(self) -> bool:
        """True if no entry of the marker was found."""
        return not (self.values or self.odd)


NOTHING = Found()


def entry_of(key: str, token: str) -> str:
    """Return the baggage entry that carries ``token``."""
    return f"{key}={token}"


def find(headers: Sequence[str], key: str) -> Found:
    """Return what ``headers`` (the values of every ``baggage`` header, latin-1) hold under ``key``."""
    return NOTHING if _is_foreign(",".join(headers), key) else _found(headers, key)


def first_token(headers: Sequence[str], key: str) -> str | None:
    """Return the value of the marker's entry if the headers look as ``forward`` makes them; None if ``find`` must look.

    The value is not checked. The entry is canonical only if the value is an authentic token.
    """
    if len(headers) != 1 or len(headers[0]) > HEADER_LIMIT:
        return None
    name, _, rest = headers[0].partition("=")
    if name != key:
        return None
    token, _, others = rest.partition(",")
    return token if not others or _is_foreign(others, key) else None


def _is_foreign(text: str, key: str) -> bool:
    """Whether no reader can find a marker's entry. Readers decode only names, and differ on bytes beyond ASCII."""
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


def _is_plain(member: str, key: str) -> bool:
    """Whether a member is the marker's entry in its plain spelling, with or without white space around the key."""
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
    """Return the values of the marker's entries, from each reader that finds more than the ``plain`` ones."""
    values: dict[str, None] = {}
    for text in _readings(headers):
        # No spelling of the key is shorter than the key. Skipping shorter members makes a header of commas cheap.
        ours = [member for member in text.split(",") if len(member) >= len(key) and _decoded_name(member) == key]
        if len(ours) > plain:
            values.update((_value_of(unquote_plus(member)), None) for member in ours)
    return tuple(values)


def _decoded_name(member: str) -> str:
    return unquote_plus(member.partition("=")[0].partition(";")[0]).strip()


def _readings(headers: Sequence[str]) -> Iterator[str]:
    """Yield every text that a supported reader could make of the headers, joined and one by one."""
    joined = ",".join(headers)
    yield joined
    yield from _decodings(joined)
    if len(headers) > 1:
        # Joined again: a reader that decodes each header by itself treats only one with a stray byte differently.
        yield ",".join(next(_decodings(header), header) for header in headers)


def _decodings(text: str) -> Iterator[str]:
    """Yield what OpenTelemetry's ASGI getter makes of the bytes, if it differs: UTF-8, or ``unicode_escape``."""
    if text.isascii():
        return
    try:
        yield text.encode("latin-1").decode("utf-8")
    except UnicodeEncodeError:
        return  # not the bytes of a header, but text from a caller
    except UnicodeDecodeError:
        if "\\" in text:
            yield _ESCAPE.sub(_unescape, text)


def _unescape(match: re.Match[str]) -> str:
    # One escape at a time: on the whole text, the codec warns about unknown escapes and fails on truncated ones.
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
