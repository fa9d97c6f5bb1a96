"""Batches: each record has its own verdict, and what fails is told to the queue, record by record."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from synthetic._arrival import Admitted, arrive, under
from synthetic._verdict import Real, Received
from synthetic.errors import MessageRefused
from synthetic_aws_shared._delivered import mapping
from synthetic_awslambda._events import Event, baggage_of, records_of

__all__ = ["BatchResponse", "admitted", "by_verdict", "each_record", "merged"]

_log = logging.getLogger("synthetic")

BatchResponse = dict[str, list[dict[str, str]]]


def admitted(record: Any) -> Admitted:
    """Admit one record of SQS, SNS, Kafka or RabbitMQ, or one event of EventBridge, for the length of a ``with`` block.

    The block gives its marker, or None for real work. Raises ``synthetic.MessageRefused`` for what must not be handled.
    """
    return Admitted(arrive(baggage_of(record)))


def each_record(handle: Callable[[Any], Any]) -> Callable[[Any, Any], BatchResponse]:
    """Make a Lambda handler of a function of one record, which runs under the record's own verdict.

    For SQS it returns the partial batch response: a record that is refused, or whose handling raises, is among the
    ``batchItemFailures``; the queue delivers it again and, by its redrive policy, moves it to the dead-letter queue.
    The event source mapping needs ``ReportBatchItemFailures``; without it Lambda takes all of the batch for done,
    unless every record failed: then the last error is raised. After a failure in a FIFO queue the rest of its message
    group is left for the next delivery. For records of any other source, which know no partial response, the first
    error is raised. TypeError for events without records.
    """

    @functools.wraps(handle)
    def handler(event: Any, context: Any) -> BatchResponse:
        records = records_of(event)
        failures: list[str] = []
        stopped: set[str] = set()
        last: Exception | None = None
        for record in records:
            group: str | None = mapping(record.get("attributes")).get("MessageGroupId")
            if group not in stopped:
                error = _failure(handle, record)
                if error is None:
                    continue
                last = error
                if group is not None:
                    stopped.add(group)
            failures.append(record["messageId"])
        if last is not None and len(failures) == len(records):
            raise last
        return {"batchItemFailures": [{"itemIdentifier": failed} for failed in failures]}

    return handler


def _failure(handle: Callable[[Any], Any], record: Event) -> Exception | None:
    try:
        under(arrive(baggage_of(record)), handle, record)
    except Exception as error:
        if "messageId" not in record:
            raise
        if not isinstance(error, MessageRefused):  # that is on record already
            _log.exception("the record %s was not handled; it will be delivered again", record["messageId"])
        return error
    return None


def by_verdict(event: Any) -> Iterator[tuple[Real | Received, Any]]:
    """Split an event into events whose records have one verdict, in their order.

    All records are admitted before the first is handled. Raises MessageRefused.
    """
    verdicts: list[tuple[Real | Received, Event]] = [
        (arrive(baggage_of(record)), record) for record in records_of(event)
    ]
    alike = groupby(verdicts, lambda pair: pair[0])
    parts = [(verdict, [record for _, record in part]) for verdict, part in alike]
    if len(parts) < 2:
        yield parts[0][0] if parts else arrive(()), event
        return
    for verdict, records in parts:
        yield verdict, records if isinstance(event, list) else {**event, "Records": records}


def merged(results: list[Any]) -> Any:
    """Return one result of those of the parts of a batch: the failures of all of them, else that of the last."""
    failures = [result["batchItemFailures"] for result in results if _is_partial(result)]
    if len(results) > 1 and failures:
        return {"batchItemFailures": [failure for some in failures for failure in some or ()]}
    return results[-1] if results else None


def _is_partial(result: Any) -> bool:
    return "batchItemFailures" in mapping(result)
