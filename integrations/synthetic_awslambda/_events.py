"""What invoked a function, and where its marker is: in headers, in attributes, or in the detail of an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, cast

from synthetic._carrier import NAME, baggage_in

__all__ = ["Event", "Source", "baggage_of_record", "headers_of", "records_of", "source_of"]

Event = Mapping[str, Any]
Source = Literal["http", "records", "event"]

_BODIES: Final = ("Body", "body")


def source_of(event: object) -> Source:
    """Return what kind of event it is: HTTP (API Gateway 1.0 and 2.0, ALB, function URLs), records, or another."""
    if not isinstance(event, Mapping):
        return "event"
    keys = cast("Event", event)
    if isinstance(keys.get("Records"), list):
        return "records"
    is_http = "httpMethod" in keys or "routeKey" in keys or "http" in (keys.get("requestContext") or {})
    return "http" if is_http or "headers" in keys or "multiValueHeaders" in keys else "event"


def headers_of(event: Event) -> list[str]:
    """Return the ``baggage`` headers of an HTTP event.

    API Gateway 1.0, and an ALB where it is told to, give every value; where they give both, the single one is the last
    of those. API Gateway 2.0 joins them.
    """
    several = event.get("multiValueHeaders")
    return baggage_in(several if isinstance(several, Mapping) and several else event.get("headers"))


def records_of(event: Event) -> list[Event]:
    """Return the records of an event of SQS, SNS or another service that has them."""
    return cast("list[Event]", event["Records"])


def baggage_of_record(record: Event) -> list[str]:
    """Return the ``baggage`` of one record of SQS or SNS; of an event of EventBridge, that of its detail."""
    return list(_found(record))


def _found(record: Event) -> Iterator[str]:
    notification = record.get("Sns")
    if isinstance(notification, Mapping):
        yield from _attributes(cast("Event", notification).get("MessageAttributes"))
        return
    yield from _attributes(record.get("messageAttributes"))
    yield from _in_body(record.get("body"))
    detail = record.get("detail")
    if isinstance(detail, Mapping):
        yield from baggage_in(cast("Event", detail))


def _attributes(attributes: object) -> Iterator[str]:
    if not isinstance(attributes, Mapping):
        return
    for name, attribute in cast("Event", attributes).items():
        if name.lower() == NAME and isinstance(attribute, Mapping):
            values = cast("Event", attribute)
            yield from (str(values[key]) for key in ("stringValue", "Value") if values.get(key) is not None)


def _in_body(body: object) -> Iterator[str]:
    """What SNS delivers to a queue without raw message delivery is a notification in the body of the message."""
    import json

    if not isinstance(body, str) or "MessageAttributes" not in body:
        return
    try:
        notification = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(notification, dict) and cast("Event", notification).get("Type") == "Notification":
        yield from _attributes(cast("Event", notification).get("MessageAttributes"))
