"""Logs of the work: records of the standard library and events of structlog."""

from __future__ import annotations

import logging
from typing import Any

import structlog

import synthetic
from synthetic_structlog import add_synthetic
from tests.matrix.cases import Case, Hop

_WORDS = {None: "real", False: "real", True: "simulated", "unverified": "refused"}


class _Kept(logging.Handler):
    last: logging.LogRecord

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record


def _record(case: Case, servers: None) -> str:
    synthetic.instrument("logging")
    logger = logging.Logger("matrix")
    logger.addHandler(kept := _Kept())
    with case.work():
        logger.warning("booked")
    return _WORDS[vars(kept.last)["synthetic"]]


def _event(case: Case, servers: None) -> str:
    events = structlog.testing.LogCapture()
    logger: Any = structlog.wrap_logger(None, processors=[add_synthetic, events])
    with case.work():
        logger.info("booked")
    return _WORDS[events.entries[0].get("synthetic")]


def _contrib() -> None:
    from opentelemetry.instrumentation.logging import LoggingInstrumentor

    LoggingInstrumentor().instrument(inject_trace_context=True)


HOPS = [
    Hop("logging record", "logging", _record, {"contrib": _contrib}),
    Hop("structlog event", "structlog", _event),
]
