"""logging: what a record costs more than the bare one, with a handler that drops it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from opentelemetry._logs import NoOpLoggerProvider, set_logger_provider

import synthetic
from tests.benchmarks.compared import WORKS, Entered, around
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.products import logging as product
from tests.support.keys import shared_key
from tests.support.switches import by_opentelemetry, instrumented

_PEER = "OpenTelemetry logging, no-op providers"
_IDS = "OpenTelemetry logging, only the ids of the trace"


def rows(effort: Effort) -> Iterator[Row]:
    """Records of real and of simulated work."""
    with synthetic.configured(keys=shared_key()):
        for kind, verdict in WORKS.items():
            times = interleaved(
                {
                    "bare": _case(verdict),
                    "ours": _case(verdict, lambda: instrumented("logging")),
                    "peer": _case(verdict, lambda: _opentelemetry(enable_log_auto_instrumentation=True)),
                    "ids": _case(verdict, lambda: _opentelemetry(enable_log_auto_instrumentation=False)),
                },
                effort.rounds // 6,
            )
            what, added = f"logging, {kind}: added time", times.added("ours", "bare")
            goal = at_most_one_in(10) if kind == "real" else None
            yield Row(what, added, _PEER, times.added("peer", "bare"), goal)
            yield Row(what, added, _IDS, times.added("ids", "bare"))


def _case(verdict: Entered, *switched_on: Entered) -> Case:
    logger = logging.getLogger("bench")
    entered = around(lambda: _dropping(logging.getLogger()), verdict, *switched_on)
    return Case(statement("log('a ride was booked')", log=logger.warning), entered, number=100, warm=100)


@contextmanager
def _dropping(root: logging.Logger) -> Iterator[None]:
    before, root.handlers = root.handlers, [logging.NullHandler()]
    try:
        yield
    finally:
        root.handlers = before


def _opentelemetry(**options: Any) -> AbstractContextManager[None]:
    _set_no_op_provider()
    return by_opentelemetry(product.instrumentor, inject_trace_context=True, **options)


def _set_no_op_provider() -> None:
    from opentelemetry._logs import get_logger_provider

    if not isinstance(get_logger_provider(), NoOpLoggerProvider):
        set_logger_provider(NoOpLoggerProvider())
