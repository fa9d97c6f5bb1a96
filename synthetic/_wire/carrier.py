"""The ``baggage`` headers of a carrier: a mapping of headers, or a list of name-value pairs.

Values are text or raw bytes. Bytes are read as latin-1, one character per byte, and written back the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, Final, TypeAlias, cast

__all__ = ["BAGGAGE", "SPELLINGS", "Carrier", "baggage_in", "is_baggage"]

BAGGAGE: Final = "baggage"

SPELLINGS: Final = frozenset(map("".join, product(*zip(BAGGAGE, BAGGAGE.upper(), strict=True))))
"""The header's name in every case, for lookups: brokers keep the case that the sender used."""

_ENCODED: Final = frozenset(name.encode() for name in SPELLINGS)

Carrier: TypeAlias = "Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None"


def baggage_in(carrier: Any) -> list[str]:
    """Return the values of every ``baggage`` header of a ``Carrier``, in any case, as text; ``[]`` without one."""
    if not carrier:
        return []
    # Most messages have headers, but no baggage.
    if carrier.__class__ is dict:
        is_without = SPELLINGS.isdisjoint(carrier) and _ENCODED.isdisjoint(carrier)
        return [] if is_without else _in_pairs(carrier.items())
    if carrier.__class__ is list:
        return _in_pairs(carrier)
    for several in ("getlist", "getall", "get_all"):  # mappings with several values per name
        if hasattr(carrier, several):
            names = list(filter(is_baggage, dict.fromkeys(carrier.keys())))
            return [text for name in names for text in _texts(list(getattr(carrier, several)(name) or ()))]
    return _in_pairs(carrier.items() if hasattr(carrier, "items") else carrier)


def _in_pairs(pairs: Iterable[tuple[Any, Any]]) -> list[str]:
    found: list[str] = []
    for name, value in pairs:
        if name.__class__ is str and name not in SPELLINGS:
            continue  # nearly every header
        if is_baggage(name):
            found.extend(_texts(value))
    return found


def is_baggage(name: object) -> bool:
    """Return whether this is the header's name, as text or bytes, in any case."""
    if isinstance(name, str):
        return name in SPELLINGS
    return isinstance(name, (bytes, bytearray, memoryview)) and bytes(cast("Any", name)) in _ENCODED


def _texts(value: Any) -> Iterator[str]:
    kind: Any = value.__class__
    if issubclass(kind, str):
        yield value
    elif issubclass(kind, (bytes, bytearray, memoryview)):
        yield bytes(value).decode("latin-1")
    elif issubclass(kind, (list, tuple)):
        for one in value:
            yield from _texts(one)
    elif value is not None:
        yield str(value)
