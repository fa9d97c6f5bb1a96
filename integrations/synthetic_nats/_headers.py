"""Keeps every ``baggage`` header of a message. The client keeps only the last of several, which may lose the marker."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from synthetic.integration import BAGGAGE, IsOn

__all__ = ["RESERVED", "joining"]

RESERVED: Final = "$"
"""How the server's own subjects begin: acknowledgements, the API of JetStream, key-value stores."""

_NAME: Final = BAGGAGE.encode()


def joining(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Client._parse_header_lines``, which makes a dictionary of the bytes that it received."""
    parse: Callable[[bytes], dict[str, str]] = original.__func__

    @wraps(parse)
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        headers = parse(raw)
        if is_on() and raw.lower().count(_NAME) > 1:
            _join(headers, raw)
        return headers

    return staticmethod(_parse_header_lines)


def _join(headers: dict[str, str], raw: bytes) -> None:
    pairs = (line.partition(b":") for line in raw.split(b"\r\n"))
    values = [value.strip().decode("utf-8", "replace") for name, _, value in pairs if name.strip().lower() == _NAME]
    if len(values) > 1:
        for name in [name for name in headers if name.lower() == BAGGAGE]:
            del headers[name]
        headers[BAGGAGE] = ",".join(values)
