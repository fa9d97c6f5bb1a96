"""What invoked a function, and where its marker is: in headers, in attributes, in a body, or in the event itself.

Lambda parses events from JSON: every mapping in them is a dict, and every sequence a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final, Literal, TypeAlias, cast

from synthetic.integration import BAGGAGE, baggage_in, is_baggage
from synthetic_aws_shared._headers import mapping, of_attributes, of_body, of_document, of_notification

__all__ = ["Event", "Source", "baggage_of", "headers_of", "is_head", "records_of", "source_of", "with_baggage"]

Event: TypeAlias = "dict[str, Any]"
Source = Literal["http", "socket", "records", "topics", "event"]

_TOPICS: Final = ("records", "rmqMessagesByQueue")
"""Where events of Kafka and of RabbitMQ have their records: lists, by topic and partition or by queue."""

_LATER: Final = ("MESSAGE", "DISCONNECT")
"""Events of an open WebSocket: they come without the headers that it was opened with."""


def source_of(event: object) -> Source:
    """Return what kind of event it is.

    HTTP comes from API Gateway, function URLs, ALB and VPC Lattice; events of an open socket from API Gateway; records
    from SQS, SNS or a pipe, which sends the list alone; topics from Kafka and RabbitMQ. Anything else is an event, for
    example one of EventBridge.
    """
    if isinstance(event, list):
        return "records"
    keys = mapping(event)
    if "requestContext" in keys or "httpMethod" in keys or ("method" in keys and "headers" in keys):
        return "socket" if mapping(keys.get("requestContext")).get("eventType") in _LATER else "http"
    if isinstance(keys.get("Records"), list):
        return "records"
    return "topics" if any(isinstance(keys.get(name), dict) for name in _TOPICS) else "event"


def headers_of(event: Event) -> list[str]:
    """Return the ``baggage`` headers of an HTTP event.

    API Gateway 1.0, and an ALB that is configured to, give every value, and the last of them once more as the single
    one. API Gateway 2.0 joins them.
    """
    single = baggage_in(mapping(event.get("headers")))
    several = baggage_in(mapping(event.get("multiValueHeaders")))
    return several + [value for value in single if value not in several] if several else single


def with_baggage(event: Event, onward: Sequence[str]) -> Event:
    """Return the event with ``onward`` as its ``baggage``, wherever it had one; the given event stays as it is."""
    changed = dict(event)
    for key in ("headers", "multiValueHeaders"):
        if present := mapping(event.get(key)):
            kept = {name: value for name, value in present.items() if not is_baggage(name)}
            if onward:
                is_listed = any(isinstance(value, list) for value in present.values())
                kept[BAGGAGE] = list(onward) if is_listed else ",".join(onward)
            changed[key] = kept
    return changed


def is_head(event: Event) -> bool:
    """Whether the answer to an HTTP event must have no body."""
    http = mapping(mapping(event.get("requestContext")).get("http"))
    return "HEAD" in (event.get("httpMethod"), http.get("method"), event.get("method"))


def records_of(event: object) -> list[Event]:
    """Return the records of an event that has them. Raises TypeError for any other."""
    source = source_of(event)
    if source == "records":
        return cast("list[Event]", event if isinstance(event, list) else mapping(event)["Records"])
    if source == "topics":
        lists = (mapping(mapping(event).get(name)).values() for name in _TOPICS)
        return list(chain.from_iterable(chain.from_iterable(lists)))
    raise TypeError("this event has no records: decorate a handler of HTTP or of single events with admit()")


def baggage_of(event: object) -> list[str]:
    """Return the ``baggage`` of one record, or of an event other than HTTP."""
    record = mapping(event)
    if "messageAttributes" in record:
        return of_attributes(record["messageAttributes"]) + of_body(record.get("body"))
    if notification := mapping(record.get("Sns")):
        return of_notification(notification)
    in_properties = mapping(record.get("basicProperties")).get("headers")
    return of_document(record) + _of_headers(record.get("headers")) + _of_headers(in_properties)


def _of_headers(headers: object) -> list[str]:
    """Kafka's are a list of mappings, RabbitMQ's a single mapping; bytes are numbers, in RabbitMQ's in a member."""
    several = cast("list[object]", headers) if isinstance(headers, list) else [headers]
    ours = (value for one in several for name, value in mapping(one).items() if is_baggage(name))
    return [text for value in ours for text in baggage_in({BAGGAGE: _decoded(mapping(value).get("bytes", value))})]


def _decoded(value: Any) -> Any:
    """Return a list of numbers as bytes. Java writes them signed."""
    if not isinstance(value, list):
        return value
    items = cast("list[object]", value)
    numbers = [item & 0xFF for item in items if isinstance(item, int)]
    return bytes(numbers) if len(numbers) == len(items) else items
