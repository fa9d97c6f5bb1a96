"""Ids, e-mail addresses and phone numbers of simulated users, which anybody can tell from real ones.

Give them to the users that a simulation creates. They count and filter: a report leaves them out by one condition. They
decide nothing. Whoever can write to a request can write such an id, so an id never makes work simulated, and a real one
never makes it real. Only a verified marker does: ask ``synthetic.is_synthetic()``.

Each function is random by default. Given a name, it always returns the same value for that name; the name need not be
that of an actor. Given a ``random.Random``, it takes the next value from that.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from random import Random
from typing import Final, NamedTuple
from uuid import UUID

__all__ = ["EMAIL_DOMAIN", "UUID_PREFIX", "email", "is_synthetic_id", "phone", "uuid"]

UUID_PREFIX: Final = "facade00-0000-8"
"""What every UUID of this module begins with, as text: 48 fixed bits and the version, 8 (RFC 9562, section 5.8).

UUIDs of other versions never begin like this. One of version 8 from elsewhere does by a chance of 1 in 2 ** 48; if it
begins with the time in milliseconds, in the year 10708.
"""

EMAIL_DOMAIN: Final = "synthetic.test"
"""The domain of every address. Nothing is delivered there: ``.test`` is reserved for tests (RFC 2606, RFC 6761)."""


class _Range(NamedTuple):
    """Numbers that are reserved for fiction: one of the prefixes, then this many digits."""

    prefixes: tuple[str, ...]
    digits: int


_US_AREAS: Final = ("202", "206", "212", "213", "303", "305", "312", "404", "415", "503", "602", "617", "702", "713")

_RANGES: Final[Mapping[str, _Range]] = {
    # Bundesnetzagentur, Mitteilung 148/2021, numbers for media: 030 23125 000 to 999
    "DE": _Range(("+493023125",), 3),
    # ARCEP, decision 2018-0881, numbers for audiovisual works: 06 39 98 00 00 to 99 99
    "FR": _Range(("+3363998",), 4),
    # Ofcom, numbers for drama: 07700 900000 to 900999
    "GB": _Range(("+447700900",), 3),
    # North American numbering plan, 555 line numbers: 555-0100 to 555-0199 in each area code
    "US": _Range(tuple(f"+1{area}55501" for area in _US_AREAS), 2),
}

_UUID: Final = re.compile(
    r"(?:urn:uuid:)?\{?facade00-?0000-?8[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}\}?", re.ASCII | re.IGNORECASE
)
_EMAIL: Final = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@synthetic\.test", re.ASCII | re.IGNORECASE)
_SPELLING: Final = re.compile(r"(?:tel:)?\+[0-9 ().\-/\u00a0\u2011]{8,30}", re.ASCII | re.IGNORECASE)
"""A number in its international form, whatever separates its digits."""
_PHONE: Final = re.compile(
    r"1(?!8(?:00|22|33|44|55|66|77|8\d)|900|[2-9]11)[2-9]\d\d55501\d\d"  # toll-free and premium numbers can be assigned
    r"|4(?:47700900\d{3}|93023125\d{3})"
    r"|3363998\d{4}",
    re.ASCII,
)


def uuid(source: str | Random | None = None) -> UUID:
    """Return a UUID of a simulated thing: version 8, with the fixed ``UUID_PREFIX``.

    It is random, derived from the name ``source``, or taken from the ``random.Random``. Its 74 free bits are enough for
    any simulation: among a billion of them, two are the same with a probability of 1 in 38,000. Raises ValueError for
    an empty name, TypeError for another source.
    """
    free = _bits(74, source, "uuid")
    return UUID(int=0xFACADE000000 << 80 | 0x8 << 76 | (free >> 62) << 64 | 0b10 << 62 | free & ((1 << 62) - 1))


def email(source: str | Random | None = None) -> str:
    """Return an e-mail address of a simulated user: 20 hexadecimal digits ``@synthetic.test``.

    It is random, derived from the name ``source``, or taken from the ``random.Random``. You may also write one
    yourself: each address at this domain is simulated. Raises ValueError for an empty name, TypeError for another
    source.
    """
    return f"{_bits(80, source, 'email'):020x}@{EMAIL_DOMAIN}"


def phone(source: str | Random | None = None, *, region: str = "US") -> str:
    """Return a phone number of a simulated user, such as ``+12025550143`` (E.164). Nobody has it, in any network.

    It is random, derived from the name ``source``, or taken from the ``random.Random``. The numbers are those that each
    region reserves for films: in the US 1,400 (555-01XX), in GB 1,000 (07700 900XXX), in FR 10,000 (06 39 98 XX XX), in
    DE 1,000 (030 23125XXX). So several users may get the same. Raises ValueError for another region and for an empty
    name, TypeError for another source.
    """
    found = _RANGES.get(region)
    if found is None:
        raise ValueError(f"region={region!r} is not one of {', '.join(_RANGES)}")
    lines = 10**found.digits
    area, line = divmod(_bits(80, source, f"phone {region}") % (len(found.prefixes) * lines), lines)
    return f"{found.prefixes[area]}{line:0{found.digits}}"


def is_synthetic_id(value: object) -> bool:
    """Return whether ``value`` is a UUID, an e-mail address or a phone number such as this module makes. Never raises.

    A UUID may be a ``uuid.UUID`` or text, in upper or lower case, with or without hyphens, braces and ``urn:uuid:``. An
    address counts in any case, and with any name before the ``@``. A phone number counts with its ``+`` and country
    code, whatever separates the digits: without them, the same digits are somebody's number elsewhere. Everything else
    is False.

    The answer counts and filters. It does not tell whether work is simulated: ``synthetic.is_synthetic()`` does.
    """
    if isinstance(value, UUID):
        return _UUID.fullmatch(str(value)) is not None
    if not isinstance(value, str):
        return False
    return bool(_UUID.fullmatch(value) or _EMAIL.fullmatch(value) or _is_phone(value))


def _is_phone(text: str) -> bool:
    if _SPELLING.fullmatch(text) is None:
        return False
    # Many write the zero that is dialled inside the country only: +44 (0)7700 900123.
    return _PHONE.fullmatch(re.sub(r"[^0-9]", "", text.replace("(0)", "", 1))) is not None


def _bits(count: int, source: object, kind: str) -> int:
    """Return ``count`` bits. What is derived from a name differs between the kinds of id."""
    if source is None:
        return secrets.randbits(count)
    if isinstance(source, Random):
        return source.getrandbits(count)
    if not isinstance(source, str):
        raise TypeError(f"source={source!r} is neither a name, a random.Random nor None")
    if not source:
        raise ValueError("source='' is no name: everybody would get the same id. Pass None for a random one.")
    digest = sha256(f"synthetic.ids {kind}\n{source}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest, "big") >> (256 - count)
