"""The marker at the door of an AWS Lambda function.

``admit`` decorates the handler: HTTP events (API Gateway 1.0 and 2.0, ALB, function URLs) are admitted like requests,
events of EventBridge and single records like messages. ``each_record`` decorates a function of one record: a batch of
SQS holds real and simulated messages, and each has its own verdict.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from synthetic import _config
from synthetic._admission import Entrance
from synthetic._admission import admit as admit_headers
from synthetic._arrival import Admitted, arrive
from synthetic._config import OnMissing, OnUnverified
from synthetic._http import problem_of, refusal_of
from synthetic._verdict import Real
from synthetic_awslambda._answers import answer, uncached
from synthetic_awslambda._events import Event, baggage_of_record, headers_of, records_of, source_of

__all__ = ["admit", "admitted", "each_record"]

_log = logging.getLogger("synthetic")

Handler = Callable[[Any, Any], Any]


def admitted(record: Event) -> Admitted:
    """Admit one record of SQS or SNS, or one event of EventBridge, for the length of a ``with`` block.

    Raises ``synthetic.MessageRefused`` where it must not be handled.
    """
    return Admitted(arrive(baggage_of_record(record)))


def admit(
    *, edge: bool | None = None, on_unverified: OnUnverified | None = None, on_missing: OnMissing | None = None
) -> Callable[[Handler], Handler]:
    """Decorate a handler of HTTP events, of EventBridge, or of records that all have one verdict.

    An HTTP event that is not admitted is answered, 403 or 429, without the handler; so is an effect that a guard
    refuses. Anything else that is not admitted raises ``synthetic.MessageRefused``: Lambda tries an asynchronous
    invocation again, and then hands it to the function's destination or dead-letter queue. Records that are not all of
    one verdict raise ValueError: use ``each_record`` for them. The arguments, for HTTP events, are those of
    ``synthetic.asgi.SyntheticTrafficMiddleware``; a wrong one raises ConfigurationError here.
    """
    entrance = Entrance(edge=edge, on_unverified=on_unverified, on_missing=on_missing)
    entrance.open()

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def admitting(event: Any, context: Any) -> Any:
            source = source_of(event)
            if source == "http":
                return _http(handler, event, context, entrance)
            with _admitted_alike(records_of(event)) if source == "records" else admitted(_carrier(event)):
                return handler(event, context)

        return admitting

    return decorate


def each_record(handle: Callable[[Any], Any]) -> Callable[[Any, Any], dict[str, list[dict[str, str]]]]:
    """Make a Lambda handler of a function of one record, which runs under the record's own verdict.

    For SQS it returns the partial batch response: a record that is refused, or whose handling raises, is logged and
    among the ``batchItemFailures``; the queue delivers it again and, by its redrive policy, moves it to the dead-letter
    queue. The event source mapping needs ``ReportBatchItemFailures``; without it Lambda takes all for done. After a
    failure in a FIFO queue the rest of its message group is left for the next delivery. For records of any other
    source, which know no partial response, the error is raised.
    """

    @functools.wraps(handle)
    def handler(event: Any, context: Any) -> dict[str, list[dict[str, str]]]:
        failures: list[dict[str, str]] = []
        stopped: set[str] = set()
        for record in records_of(event):
            if "messageId" not in record:
                _handle(handle, record)
                continue
            group = (record.get("attributes") or {}).get("MessageGroupId")
            if group in stopped or not _is_handled(handle, record):
                failures.append({"itemIdentifier": record["messageId"]})
                if group is not None:
                    stopped.add(group)
        return {"batchItemFailures": failures}

    return handler


def _is_handled(handle: Callable[[Any], Any], record: Event) -> bool:
    try:
        _handle(handle, record)
    except Exception:
        _log.exception("the record %s was not handled; it will be delivered again", record["messageId"])
        return False
    return True


def _handle(handle: Callable[[Any], Any], record: Event) -> None:
    with admitted(record):
        handle(record)


def _http(handler: Handler, event: Event, context: Any, entrance: Entrance) -> Any:
    headers: Sequence[str] = headers_of(event)
    verdict, reason, onward = admit_headers(headers, entrance, _config.active())
    if verdict is None:
        return answer(refusal_of(reason), event)
    if onward is not None:
        event = _with_baggage(event, onward)
    if isinstance(verdict, Real):
        with Admitted(verdict):
            return handler(event, context)
    try:
        with Admitted(verdict):
            return uncached(handler(event, context), event)
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return answer(problem, event)


def _with_baggage(event: Event, onward: Sequence[str]) -> Event:
    """The event with the ``baggage`` that is handed on, wherever it had one."""
    changed = dict(event)
    for key in ("headers", "multiValueHeaders"):
        present = event.get(key)
        if present:
            kept = {name: value for name, value in present.items() if name.lower() != "baggage"}
            if onward:
                kept["baggage"] = list(onward) if key == "multiValueHeaders" else ",".join(onward)
            changed[key] = kept
    return changed


def _admitted_alike(records: list[Event]) -> Admitted:
    verdicts = [arrive(baggage_of_record(record)) for record in records]
    if any(verdict is not verdicts[0] for verdict in verdicts):
        raise ValueError(
            "this batch holds records that are real and records that are simulated, or of several simulations: handle "
            "them one by one, with synthetic_awslambda.each_record"
        )
    return Admitted(verdicts[0]) if verdicts else admitted({})


def _carrier(event: Any) -> Event:
    return event if isinstance(event, dict) else {}
