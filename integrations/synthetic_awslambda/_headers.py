"""What invoked a function, and where its marker is: in headers, in attributes, or in an envelope that is declared.

Lambda parses events from JSON. Other decorators may have put mappings of their own around them, for example the data
classes of aws-lambda-powertools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, Literal, TypeAlias, cast

from synthetic.integration import BAGGAGE, baggage_in, is_baggage
from synthetic_aws_shared._headers import Envelopes, mapping, of_attributes, of_body, of_event, of_notification

__all__ = [
    "Event",
    "Source",
    "baggage_of_event",
    "baggage_of_record",
    "headers_of",
    "is_head",
    "rebuilt",
    "records_of",
    "source_of",
    "with_baggage",
]

Event: TypeAlias = "Mapping[str, Any]"
_SCALARS: Final = (str, int, float, type(None))
"""Other JSON. A direct invocation may send it, and it has no place for a marker."""

Source = Literal["http", "socket", "records", "topics", "event"]

_TOPICS: Final = ("records", "rmqMessagesByQueue")
"""Where events of Kafka and of RabbitMQ have their records: lists, by topic and partition or by queue."""

_LATER: Final = ("MESSAGE", "DISCONNECT")
"""Events of an open WebSocket: they come without the headers that it was opened with."""


def source_of(event: object) -> Source:
    """Return what kind of event it is.

    HTTP comes from API Gateway, function URLs, ALB and VPC Lattice; events of an open socket from API Gateway; records
    from SQS, SNS or a pipe, which sends the list alone; topics from Kafka and RabbitMQ. Any other JSON is an event, for
    example one of EventBridge. Raises TypeError for other objects: their marker would be overlooked.
    """
    if isinstance(event, (list, tuple)):
        return "records"
    if not isinstance(event, (Mapping, *_SCALARS)):
        raise TypeError(
            f"{type(event).__qualname__} is no event of Lambda, but what another decorator has made of one. Put the "
            "decorators of synthetic_awslambda outermost, or pass on the event itself, a mapping."
        )
    keys = mapping(cast("object", event))
    if "requestContext" in keys or "httpMethod" in keys or ("method" in keys and "headers" in keys):
        return "socket" if mapping(keys.get("requestContext")).get("eventType") in _LATER else "http"
    if isinstance(keys.get("Records"), (list, tuple)):
        return "records"
    return "topics" if any(isinstance(keys.get(name), Mapping) for name in _TOPICS) else "event"


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
    return rebuilt(event, changed)


def rebuilt(event: Event, changed: dict[str, Any]) -> Event:
    """Return ``changed`` as an event of the same type: the handler may use more of it than a mapping has."""
    kind: Any = type(event)
    return cast("Event", changed if isinstance(event, dict) else kind(changed))


def is_head(event: Event) -> bool:
    """Whether the answer to an HTTP event must have no body."""
    http = mapping(mapping(event.get("requestContext")).get("http"))
    return "HEAD" in (event.get("httpMethod"), http.get("method"), event.get("method"))


def records_of(event: object) -> list[Event]:
    """Return the records of an event that has them. Raises TypeError for any other."""
    source = source_of(event)
    if source == "records":
        return list(
            cast("Sequence[Event]", mapping(cast("object", event))["Records"] if isinstance(event, Mapping) else event)
        )
    if source == "topics":
        lists = (mapping(mapping(event).get(name)).values() for name in _TOPICS)
        return list(chain.from_iterable(chain.from_iterable(lists)))
    raise TypeError("this event has no records: decorate a handler of HTTP or of single events with admit()")


def baggage_of_record(record: object, envelopes: Envelopes) -> list[str]:
    """Return the ``baggage`` of one record. Raises TypeError for what is no mapping."""
    if not isinstance(record, Mapping):
        raise TypeError(f"{type(record).__qualname__} is no record of Lambda: pass on the record itself, a mapping")
    given = mapping(cast("object", record))
    if "messageAttributes" in given:
        return of_attributes(given["messageAttributes"]) + of_body(given.get("body"), envelopes)
    if notification := mapping(given.get("Sns")):
        return of_notification(notification, envelopes)
    if "topic" in given:
        return _of_headers(given.get("headers"))
    return _of_headers(mapping(given.get("basicProperties")).get("headers"))


def baggage_of_event(event: object, envelopes: Envelopes) -> list[str]:
    """Return the ``baggage`` of an event other than HTTP that has no records."""
    keys = mapping(event)
    in_headers = _of_headers(keys.get("headers")) if "headers" in envelopes else []
    return (of_event(keys) if "eventbridge" in envelopes else []) + in_headers


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
