"""Batches: each record has its own verdict, and the queue learns which records failed."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import groupby
from typing import Any, cast, overload

from synthetic.errors import MessageRefused
from synthetic.integration import AdmittedMessage, Real, Received, under, verdict_on_values
from synthetic_aws_shared._headers import Envelope, Envelopes, declared, mapping
from synthetic_awslambda._headers import Event, baggage_of_event, baggage_of_record, rebuilt, records_of

__all__ = ["BatchResponse", "admitted", "by_verdict", "each_record", "merged"]

_log = logging.getLogger("synthetic")

BatchResponse = dict[str, list[dict[str, str]]]


def admitted(record: Any, *, envelopes: Collection[Envelope] = ()) -> AdmittedMessage:
    """Admit one record of SQS, SNS, Kafka or RabbitMQ, or one event of EventBridge, for the length of a ``with`` block.

    The block gives its marker, or None for real work. For ``envelopes``, see ``admit``. Raises
    ``synthetic.MessageRefused`` if the record must not be handled, and TypeError if it is no mapping.
    """
    known = declared(envelopes, "sns", "eventbridge", "headers")
    values = baggage_of_record(record, known)
    return AdmittedMessage(verdict_on_values(values + baggage_of_event(record, known)))


Handle = Callable[[Any], Any]


@overload
def each_record(handle: Handle, /) -> Callable[[Any, Any], BatchResponse]: ...
@overload
def each_record(*, envelopes: Collection[Envelope] = ()) -> Callable[[Handle], Callable[[Any, Any], BatchResponse]]: ...
def each_record(handle: Handle | None = None, /, *, envelopes: Collection[Envelope] = ()) -> Any:
    """Turn a function of one record into a Lambda handler. It runs under the record's own verdict.

    Use it with or without parentheses. For ``envelopes``, see ``admit``.

    For SQS the handler returns the partial batch response: a record that is refused, or whose handling raises, is among
    the ``batchItemFailures``; the queue delivers it again and, by its redrive policy, moves it to the dead-letter
    queue. The event source mapping needs ``ReportBatchItemFailures``; without it, Lambda takes the whole batch for
    done. If every record failed, the last error is raised. After a failure in a FIFO queue, the rest of its message
    group is left for the next delivery. Other sources have no partial response: the first error is raised. TypeError
    for events without records.
    """
    known = declared(envelopes, "sns", "eventbridge")
    return partial(_each, envelopes=known) if handle is None else _each(handle, known)


def _each(handle: Handle, envelopes: Envelopes) -> Callable[[Any, Any], BatchResponse]:
    @functools.wraps(handle)
    def handler(event: Any, context: Any) -> BatchResponse:
        records = records_of(event)
        failures: list[str] = []
        stopped: set[str] = set()
        last: Exception | None = None
        for record in records:
            group: str | None = mapping(record.get("attributes")).get("MessageGroupId")
            if group not in stopped:
                error = _failure(handle, record, envelopes)
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


def _failure(handle: Handle, record: Event, envelopes: Envelopes) -> Exception | None:
    try:
        under(verdict_on_values(baggage_of_record(record, envelopes)), handle, record)
    except Exception as error:
        if "messageId" not in record:
            raise
        if not isinstance(error, MessageRefused):  # the refusal is logged already
            _log.exception("the record %s was not handled; it will be delivered again", record["messageId"])
        return error
    return None


def by_verdict(event: Any, envelopes: Envelopes) -> Iterator[tuple[Real | Received, Any]]:
    """Split an event into events whose records have one verdict, in their order.

    All records are admitted before the first is handled. Raises MessageRefused.
    """
    verdicts: list[tuple[Real | Received, Event]] = [
        (verdict_on_values(baggage_of_record(record, envelopes)), record) for record in records_of(event)
    ]
    alike = groupby(verdicts, lambda pair: pair[0])
    parts = [(verdict, [record for _, record in part]) for verdict, part in alike]
    if len(parts) < 2:
        yield parts[0][0] if parts else verdict_on_values(()), event
        return
    for verdict, records in parts:
        is_bare = isinstance(event, (list, tuple))
        yield verdict, records if is_bare else rebuilt(event, {**cast("Event", event), "Records": records})


def merged(results: list[Any]) -> Any:
    """Return one result for the parts of a batch: the failures of all parts, else the result of the last."""
    failures = [result["batchItemFailures"] for result in results if _is_partial(result)]
    if len(results) > 1 and failures:
        return {"batchItemFailures": [failure for some in failures for failure in some or ()]}
    return results[-1] if results else None


def _is_partial(result: Any) -> bool:
    return "batchItemFailures" in mapping(result)
