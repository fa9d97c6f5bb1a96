"""The ``baggage`` of whatever carries messages: a mapping of headers, or a list of name-value pairs.

Values are text, or bytes as they came over the wire; those are read as latin-1, one character a byte, and written back
the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, Final, TypeAlias, cast

from opentelemetry.context import Context

from synthetic._egress import dispatch

__all__ = ["NAME", "SPELLINGS", "Carrier", "baggage_in", "is_ours", "outgoing", "outgoing_pairs"]

NAME: Final = "baggage"

SPELLINGS: Final = frozenset(map("".join, product(*zip(NAME, NAME.upper(), strict=True))))
"""The header's name in every case, to be looked up: brokers keep a name as whoever sent it wrote it."""

_ENCODED: Final = frozenset(name.encode() for name in SPELLINGS)

_KEPT: Final[Any] = (list, tuple, Mapping)
"""What can be gone through twice."""

Carrier: TypeAlias = "Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None"


def baggage_in(carrier: Any) -> list[str]:
    """Return the values of every ``baggage`` header of a ``Carrier``, in any case, as text; ``[]`` without one."""
    if not carrier:
        return []
    # Most messages have headers, and none of ours.
    if carrier.__class__ is dict:
        is_without = SPELLINGS.isdisjoint(carrier) and _ENCODED.isdisjoint(carrier)
        return [] if is_without else _in_pairs(carrier.items())
    if carrier.__class__ is list:
        return _in_pairs(carrier)
    for several in ("getlist", "getall", "get_all"):  # what has several values of one name, and gives one of them
        if hasattr(carrier, several):
            names = list(filter(is_ours, dict.fromkeys(carrier.keys())))
            return [text for name in names for text in _texts(list(getattr(carrier, several)(name) or ()))]
    return _in_pairs(carrier.items() if hasattr(carrier, "items") else carrier)


def _in_pairs(pairs: Iterable[tuple[Any, Any]]) -> list[str]:
    return [text for name, value in pairs if is_ours(name) for text in _texts(value)]


def outgoing(headers: Mapping[str, Any] | None) -> tuple[Mapping[str, Any] | None, Context | None]:
    """Return the headers that a message leaves with, and the OpenTelemetry context to send it in, or None.

    ``headers`` themselves are not changed: they may be sent again with other work. Raises UnverifiedMarker.
    """
    present = baggage_in(headers) if headers else ()
    carried = ",".join(present) if present else None
    header, otel = dispatch(carried)
    if header == carried and len(present) < 2:
        return headers, otel
    kept = {name: value for name, value in (headers or {}).items() if not is_ours(name)}
    return ({**kept, NAME: header} if header is not None else kept), otel


def outgoing_pairs(headers: Carrier) -> tuple[Any, Context | None]:
    """Do the same for headers in pairs, whose values are bytes. Headers that stay as they are are not copied."""
    given: Any = headers if headers is None or isinstance(headers, _KEPT) else list(headers)
    present = baggage_in(given) if given else ()
    carried = ",".join(present) if present else None
    header, otel = dispatch(carried)
    if header == carried and len(present) < 2:
        return given, otel
    pairs: Any = given.items() if hasattr(given, "items") else given or ()
    kept = [(name, value) for name, value in pairs if not is_ours(name)]
    return ([*kept, (NAME, _encoded(header))] if header is not None else kept), otel


def is_ours(name: object) -> bool:
    """Return whether this is the header's name, as text or bytes, in whatever case."""
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


def _encoded(header: str) -> bytes:
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode()
