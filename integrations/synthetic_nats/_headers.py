"""Headers as they came: of several with one name the client keeps the last, and the marker may stand in another."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from synthetic._carrier import NAME

__all__ = ["joining"]

_NAME = NAME.encode()


def joining(original: Any, is_on: Callable[[], bool]) -> Any:
    """Wrap ``Client._parse_header_lines``, which makes a dictionary of what came over the wire."""
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
        for name in [name for name in headers if name.lower() == NAME]:
            del headers[name]
        headers[NAME] = ",".join(values)
