"""AWS Lambda: what the door of a function costs more than the bare function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.instrumentation.aws_lambda import _default_event_context_extractor, _instrument
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_awslambda import admit, each_record
from tests.benchmarks.compared import added
from tests.benchmarks.measure import Case, Effort, statement
from tests.benchmarks.table import Row
from tests.products import awslambda as events
from tests.products.awslambda import CONTEXT, module_with
from tests.support.keys import entry, mint, shared_key

_PEER = "OpenTelemetry Lambda, no-op tracer"


def rows(effort: Effort) -> Iterator[Row]:
    """Requests and records, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        for kind, header in (("real", None), ("simulated", entry(mint(keys)))):
            yield _row(
                "request", kind, _answered, admit(_answered), events.gateway_v2([header] if header else []), effort
            )
            record = events.sqs(events.sqs_record("ride", header))
            yield _row("record of SQS", kind, _batch, each_record(_handled), record, effort)


def _answered(event: Any, context: Any) -> Any:
    return {"statusCode": 200, "body": "{}"}


def _handled(record: Any) -> None:
    pass


def _batch(event: Any, context: Any) -> Any:
    for record in event["Records"]:
        _handled(record)
    return {"batchItemFailures": []}


def _row(what: str, kind: str, bare: Any, ours: Any, event: Any, effort: Effort) -> Row:
    def case(function: Callable[..., Any]) -> Case:
        called = statement("function(event, context)", function=function, event=event, context=CONTEXT)
        return Case(called, number=100, warm=150)

    with _traced(bare) as theirs:
        cases = {"bare": case(bare), "ours": case(ours), "peer": case(theirs)}
        return added(f"AWS Lambda, {what}", kind, _PEER, cases, effort.rounds // 2)


class _Tracers(NoOpTracerProvider):
    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


class _Meters(NoOpMeterProvider):
    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True


@contextmanager
def _traced(function: Any) -> Iterator[Any]:
    """The function as OpenTelemetry's instrumentation leaves it in its module."""
    with module_with(function) as module:
        _instrument(module.__name__, "handler", 1, _default_event_context_extractor, _Tracers(), _Meters())
        yield module.handler
