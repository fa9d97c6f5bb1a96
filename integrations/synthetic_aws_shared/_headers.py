"""Where AWS delivers the marker: in message attributes, notifications and events, also in one within another.

Attributes of SQS and SNS are ``{name: {"StringValue": ...}}``, and each way of delivery spells their members
differently. All of it was JSON: mappings are dicts.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any, Final, cast

from synthetic.integration import BAGGAGE, baggage_in, is_baggage

__all__ = ["mapping", "of_attributes", "of_body", "of_document", "of_notification"]

_VALUES: Final = ("StringValue", "stringValue", "Value", "BinaryValue", "binaryValue")
"""SQS itself; SQS in an event of Lambda; SNS; bytes as boto3 decodes them, and in base64 as Lambda delivers them."""


def mapping(value: object) -> dict[str, Any]:
    """Return the value if it is a mapping; an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def of_attributes(attributes: object) -> list[str]:
    """Return the ``baggage`` of message attributes."""
    ours = [attribute for name, attribute in mapping(attributes).items() if is_baggage(name)]
    return [text for attribute in ours for text in baggage_in({BAGGAGE: _value_of(attribute)})] if ours else []


def _value_of(attribute: object) -> object:
    """The value of an attribute. An attribute without a value stands for itself, so that it is not overlooked."""
    values = mapping(attribute)
    name = next((name for name in _VALUES if values.get(name) is not None), None)
    if name is None:
        return attribute
    value: object = values[name]
    is_coded = name == "binaryValue" or (name == "Value" and values.get("Type") == "Binary")
    return _decoded(value) if is_coded and isinstance(value, str) else value


def _decoded(text: str) -> object:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return text


def of_body(body: object) -> list[str]:
    """Return the ``baggage`` of a body that holds a notification of SNS or an event of EventBridge."""
    if not isinstance(body, str) or not (BAGGAGE in body.lower() or "\\u" in body):
        return []  # most bodies: nothing is parsed
    text = body.lstrip("\ufeff \t\r\n")
    if not text.startswith(("{", "[")):
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    documents = cast("list[object]", value) if isinstance(value, list) else [value]
    return [text for document in documents for text in of_document(mapping(document))]


def of_document(document: dict[str, Any]) -> list[str]:
    """Return the ``baggage`` of an event, of its detail alone, or of a notification with an event in it."""
    found = _members(document) + _members(mapping(document.get("detail")))
    return found + of_notification(document) if document.get("Type") == "Notification" else found


def of_notification(notification: dict[str, Any]) -> list[str]:
    """Return the ``baggage`` of a notification of SNS; the message in it may be an event of EventBridge."""
    return of_attributes(notification.get("MessageAttributes")) + of_body(notification.get("Message"))


def _members(document: dict[str, Any]) -> list[str]:
    return [text for name, value in document.items() if is_baggage(name) for text in baggage_in({BAGGAGE: value})]
