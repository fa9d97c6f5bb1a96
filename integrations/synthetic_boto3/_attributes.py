"""The marker as a message attribute ``baggage`` of SQS and SNS, and in the detail of an EventBridge event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from opentelemetry.context import Context

from synthetic._carrier import NAME
from synthetic._egress import dispatch
from synthetic.errors import ConfigurationError

__all__ = ["asked_for", "baggage_of", "in_attributes", "in_detail"]

_MOST: Final = 10
"""Message attributes of one SQS message (AWS, "Amazon SQS message quotas")."""

Parameters = Mapping[str, Any]


def in_attributes(entry: Parameters) -> tuple[Parameters, Context | None]:
    """Return a message to send with the attribute that it leaves with; the caller's stays as it is."""
    attributes = cast("Mapping[str, Any]", entry.get("MessageAttributes") or {})
    carried = _text(attributes.get(NAME))
    header, otel = dispatch(carried)
    if header == carried:
        return entry, otel
    kept = {name: value for name, value in attributes.items() if name != NAME}
    if header is not None:
        if len(kept) >= _MOST:
            raise ConfigurationError(
                f"the message has {len(kept)} attributes, and SQS takes {_MOST}: there is no room for the marker "
                f"({NAME!r}), without which it would be handled as real. Move an attribute into the body."
            )
        kept[NAME] = {"DataType": "String", "StringValue": header}
    return {**entry, "MessageAttributes": kept}, otel


def in_detail(entry: Parameters) -> tuple[Parameters, Context | None]:
    """Do the same for an event, which has no headers: its detail is a JSON object and gets a member."""
    text = cast("str | None", entry.get("Detail"))
    detail = _object(text) if text is not None else {}
    carried = _text(None if detail is None else detail.get(NAME))
    header, otel = dispatch(carried)
    if header == carried:
        return entry, otel
    if detail is None:
        raise ConfigurationError(
            "the event's Detail is no JSON object, so that there is no room for the marker, without which it would be "
            "handled as real. Make it an object."
        )
    kept = {name: value for name, value in detail.items() if name != NAME}
    if header is not None:
        kept[NAME] = header
    return {**entry, "Detail": json.dumps(kept)}, otel


def asked_for(parameters: Parameters) -> Parameters:
    """Return the parameters of a receiving call that asks for our attribute, too."""
    names = cast("list[str]", parameters.get("MessageAttributeNames") or [])
    if any(name in ("All", ".*", NAME) for name in names):
        return parameters
    return {**parameters, "MessageAttributeNames": [*names, NAME]}


def baggage_of(message: Parameters) -> list[str]:
    """Return the ``baggage`` of a message received from SQS: its attribute's, or its notification's.

    What SNS delivers to a queue without raw message delivery is a notification in the body, attributes included.
    """
    attributes = cast("Mapping[str, Any]", message.get("MessageAttributes") or message.get("messageAttributes") or {})
    found = [_text(value) for name, value in attributes.items() if name.lower() == NAME]
    body = cast("str", message.get("Body") or message.get("body") or "")
    if "MessageAttributes" in body and (notification := _object(body)) is not None:
        inner: Any = notification.get("MessageAttributes")
        if notification.get("Type") == "Notification" and isinstance(inner, dict):
            items = cast("Mapping[str, Any]", inner).items()
            found += [_text(value) for name, value in items if name.lower() == NAME]
    return [text for text in found if text is not None]


def _text(attribute: Any) -> str | None:
    if isinstance(attribute, str):
        return attribute
    if not isinstance(attribute, Mapping):
        return None
    values = cast("Mapping[str, Any]", attribute)
    for name in ("StringValue", "stringValue", "Value", "BinaryValue", "binaryValue"):
        value = values.get(name)
        if value is not None:
            return value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
