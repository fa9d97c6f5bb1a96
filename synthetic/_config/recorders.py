"""Start-up warnings about OpenTelemetry settings that would record a token. docs/security.md lists them."""

from __future__ import annotations

import logging
import os
import re

__all__ = ["recorders", "warn_about_recorders"]

_log = logging.getLogger("synthetic")

_CAPTURES = (
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST",
)
_SANITIZE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"


def recorders() -> list[str]:
    """Return the OpenTelemetry variables that put the ``baggage`` header, and so the token, on spans."""
    if _matches(os.environ.get(_SANITIZE, "")):
        return []
    return [variable for variable in _CAPTURES if _matches(os.environ.get(variable, ""))]


def warn_about_recorders() -> None:
    """Log a warning for each of them."""
    for variable in recorders():
        _log.warning(
            "%s records the baggage header, and with it the token, on spans. Add baggage to %s.", variable, _SANITIZE
        )


def _matches(patterns: str) -> bool:
    """Whether one of OpenTelemetry's comma-separated, case-insensitive patterns matches the header's name."""
    for pattern in filter(None, (part.strip() for part in patterns.split(","))):
        try:
            if re.fullmatch(pattern, "baggage", re.IGNORECASE):
                return True
        except re.error:
            continue
    return False
