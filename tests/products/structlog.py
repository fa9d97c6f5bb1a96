"""structlog: a logger with the processor, and the events that come out of it."""

from __future__ import annotations

from typing import Any

import structlog

from synthetic_structlog import add_synthetic


def logger() -> tuple[Any, list[Any]]:
    """A logger, and the list of its events."""
    events = structlog.testing.LogCapture()
    return structlog.wrap_logger(None, processors=[add_synthetic, events]), events.entries
