"""Where the marker is in what AWS delivers: message attributes, notifications and events, also one in another.

Attributes of SQS and SNS are ``{name: {"StringValue": ...}}``, whose members each way of delivery spells differently.
Everything is JSON, or what boto3 makes of it: mappings are dicts.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any, Final, cast

from synthetic._carrier import NAME, baggage_in, is_ours

__all__ = ["mapping", "of_attributes", "of_body", "of_document", "of_notification"]

_VALUES: Final = ("StringValue", "stringValue", "Value", "BinaryValue", "binaryValue")
"""SQS itself; SQS in an event of Lambda; SNS; bytes as boto3 decodes them, and in base64 as Lambda has them."""


def mapping(value: object) -> dict[str, Any]:
    """Return the value where it is a mapping, and an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def of_attributes(attributes: object) -> list[str]:
    """Return the ``baggage`` of message attributes."""
    ours = [attribute for name, attribute in mapping(attributes).items() if is_ours(name)]
    return [text for attribute in ours for text in baggage_in({NAME: _value_of(attribute)})] if ours else []


def _value_of(attribute: object) -> object:
    """What an attribute says. One without a value says what it is, for whoever admits it: it is there."""
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
    """Return the ``baggage`` of what a body holds: a notification that SNS, or an event that EventBridge delivered."""
    if not isinstance(body, str) or not (NAME in body.lower() or "\\u" in body):
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
    """Return the ``baggage`` of an event, of its detail alone, or of a notification and the event in that."""
    found = _members(document) + _members(mapping(document.get("detail")))
    return found + of_notification(document) if document.get("Type") == "Notification" else found


def of_notification(notification: dict[str, Any]) -> list[str]:
    """Return the ``baggage`` of a notification of SNS; the message in it may be an event of EventBridge."""
    return of_attributes(notification.get("MessageAttributes")) + of_body(notification.get("Message"))


def _members(document: dict[str, Any]) -> list[str]:
    return [text for name, value in document.items() if is_ours(name) for text in baggage_in({NAME: value})]
