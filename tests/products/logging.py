"""logging: a handler that keeps its records, and OpenTelemetry's instrumentation."""

from __future__ import annotations

import logging
from typing import Any

NAME = "logging"


class Kept(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def instrumentor() -> Any:
    from opentelemetry.instrumentation.logging import LoggingInstrumentor

    return LoggingInstrumentor()
