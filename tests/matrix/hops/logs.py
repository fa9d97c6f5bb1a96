"""Logs of the work: records of the standard library and events of structlog."""

from __future__ import annotations

import logging

import synthetic
from tests.matrix.cases import Case, Hop
from tests.products import logging as records

_WORDS = {None: "real", False: "real", True: "simulated", "unverified": "refused"}


def _record(case: Case, servers: None) -> str:
    synthetic.instrument("logging")
    logger = logging.Logger("matrix")
    logger.addHandler(kept := records.Kept())
    with case.work():
        logger.warning("booked")
    (record,) = kept.records
    return _WORDS[vars(record)["synthetic"]]


def _event(case: Case, servers: None) -> str:
    from tests.products import structlog

    logger, events = structlog.logger()
    with case.work():
        logger.info("booked")
    (event,) = events
    return _WORDS[event.get("synthetic")]


def _contrib() -> None:
    records.instrumentor().instrument(inject_trace_context=True)


HOPS = [
    Hop("logging record", "logging", _record, {"contrib": _contrib}),
    Hop("structlog event", "structlog", _event),
]
