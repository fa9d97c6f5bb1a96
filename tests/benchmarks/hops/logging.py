"""logging: what a record costs more than the bare one, with a handler that drops it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from opentelemetry._logs import NoOpLoggerProvider, set_logger_provider
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import shared_key

_PEER = "OpenTelemetry logging, no-op providers"
_IDS = "OpenTelemetry logging, only the ids of the trace"


def rows(effort: Effort) -> Iterator[Row]:
    """Records of real and of simulated work."""
    with synthetic.configured(keys=shared_key()):
        for kind, verdict in (("real", synthetic.real), ("simulated", lambda: synthetic.simulated(run="bench"))):
            times = interleaved(
                {
                    "bare": _case(verdict, nullcontext),
                    "ours": _case(verdict, _ours),
                    "peer": _case(verdict, lambda: _opentelemetry(enable_log_auto_instrumentation=True)),
                    "ids": _case(verdict, lambda: _opentelemetry(enable_log_auto_instrumentation=False)),
                },
                effort.rounds // 6,
            )
            what, added = f"logging, {kind}: added time", times.added("ours", "bare")
            goal = at_most_one_in(10) if kind == "real" else None
            yield Row(what, added, _PEER, times.added("peer", "bare"), goal)
            yield Row(what, added, _IDS, times.added("ids", "bare"))


def _case(verdict: Callable[[], Any], installed: Callable[[], AbstractContextManager[Any]]) -> Case:
    logger = logging.getLogger("bench")

    @contextmanager
    def around() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(_dropping(logging.getLogger()))
            stack.enter_context(verdict())
            stack.enter_context(installed())
            yield

    return Case(statement("log('a ride was booked')", log=logger.warning), around, number=100, warm=100)


@contextmanager
def _dropping(root: logging.Logger) -> Iterator[None]:
    before, root.handlers = root.handlers, [logging.NullHandler()]
    try:
        yield
    finally:
        root.handlers = before


@contextmanager
def _ours() -> Iterator[None]:
    synthetic.instrument("logging")
    try:
        yield
    finally:
        synthetic.uninstrument("logging")


@contextmanager
def _opentelemetry(**options: Any) -> Iterator[None]:
    _set_no_op_provider()
    instrumentor = LoggingInstrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider(), inject_trace_context=True, **options)
    try:
        yield
    finally:
        instrumentor.uninstrument()


def _set_no_op_provider() -> None:
    from opentelemetry._logs import get_logger_provider

    if not isinstance(get_logger_provider(), NoOpLoggerProvider):
        set_logger_provider(NoOpLoggerProvider())
