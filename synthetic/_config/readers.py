"""Readers: each makes the value of a setting from raw input, or raises ValueError with a value that works."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

__all__ = ["Raw", "choice", "count", "duration", "flag", "function", "modules", "names", "optional", "seconds", "text"]

T = TypeVar("T")

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)\s*", re.ASCII)
_FLAGS: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True, repr=False)
class Raw:
    """The value of a setting before it is read.

    ``source`` says where it came from. A relative path starts at the folder ``base``. ``environment`` chooses between
    tables. The repr leaves out the value, because it may be a key.
    """

    name: str
    value: Any
    source: str
    base: Path
    environment: str = ""


def text(pattern: str, example: str) -> Callable[[Raw], str]:
    """Return a reader of text that matches ``pattern``."""
    compiled = re.compile(pattern, re.ASCII)

    def read(raw: Raw) -> str:
        if not isinstance(raw.value, str) or compiled.fullmatch(raw.value) is None:
            raise ValueError(f"{raw.value!r} does not match {pattern}; a value that works: {example!r}")
        return raw.value

    return read


def choice(*allowed: str) -> Callable[[Raw], str]:
    """Return a reader of one of ``allowed``."""

    def read(raw: Raw) -> str:
        if raw.value not in allowed:
            raise ValueError(f"{raw.value!r} is not one of: {', '.join(allowed)}")
        return cast("str", raw.value)

    return read


def flag(raw: Raw) -> bool:
    """Read a yes or no."""
    if isinstance(raw.value, bool):
        return raw.value
    known = _FLAGS.get(str(raw.value).strip().lower())
    if known is None:
        raise ValueError(f"{raw.value!r} is not one of: {', '.join(_FLAGS)}")
    return known


def names(raw: Raw) -> tuple[str, ...]:
    """Read a list of names; in text they are separated by commas or white space."""
    if isinstance(raw.value, str):
        return tuple(name for name in re.split(r"[,\s]+", raw.value) if name)
    try:
        listed = list(raw.value)
    except TypeError:
        listed = [raw.value]
    if not all(isinstance(name, str) for name in listed):
        raise ValueError(f"{raw.value!r} is not a list of names; a value that works: ['payments', 'analytics']")
    return tuple(listed)


def modules(raw: Raw) -> tuple[str, ...]:
    """Read a list of modules and packages; in text they are separated by commas or white space."""
    listed = names(raw)
    for name in listed:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"{name!r} is not the name of a module; a value that works: ['company.senders']")
    return listed


def duration(value: object, shortest: float, longest: float) -> float:
    """Return the seconds of a duration: a number, or text with a unit as in ``10m`` (s, m, h, d).

    Raises ValueError for anything else, and for a duration that is not between ``shortest`` and ``longest`` seconds.
    """
    number = value
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        number = float(match[1]) * _UNITS[match[2] or "s"]
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f"{value!r} is not a duration; values that work: 600, '10m', '7d'")
    if not shortest <= number <= longest:
        raise ValueError(f"{value!r} is not between {shortest:g} and {longest:g} seconds")
    return float(number)


def seconds(shortest: float, longest: float) -> Callable[[Raw], float]:
    """Return a reader of a duration of ``shortest`` to ``longest`` seconds."""
    return lambda raw: duration(raw.value, shortest, longest)


def count(least: int, most: int) -> Callable[[Raw], int]:
    """Return a reader of a number of things."""

    def read(raw: Raw) -> int:
        value = raw.value
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{raw.value!r} is not a number from {least} to {most}; a value that works: {least}")
        return value

    return read


def function(raw: Raw) -> Callable[[], Any]:
    """Read a function, which only code can give."""
    if not callable(raw.value):
        raise ValueError(f"the value is not callable; pass a function in code, as in configure({raw.name}=function)")
    return cast("Callable[[], Any]", raw.value)


def optional(read: Callable[[Raw], T]) -> Callable[[Raw], T | None]:
    """Return a reader that leaves None unchanged, and otherwise does the same as ``read``."""

    def read_or_none(raw: Raw) -> T | None:
        return None if raw.value is None else read(raw)

    return read_or_none
