"""Where AWS delivers the marker: in the attributes of a message, and in those envelopes that a consumer declares.

What is in a body may come from anybody, so it is no place for a marker. An envelope is: SNS and EventBridge put one
around what they deliver to a queue. Nothing tells it from a body in the same form, so the consumer has to say it.

Attributes of SQS and SNS are ``{name: {"StringValue": ...}}``, and each way of delivery spells their members
differently.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

from synthetic.errors import ConfigurationError
from synthetic.integration import BAGGAGE, baggage_in, is_baggage

__all__ = [
    "Envelope",
    "Envelopes",
    "declared",
    "mapping",
    "of_attributes",
    "of_body",
    "of_event",
    "of_notification",
]

Envelope = Literal["sns", "eventbridge", "headers"]
"""What is around a message: a notification of SNS in the body of a message of SQS; an event of EventBridge, whose
``detail`` has the marker; the payload of a direct invocation of a Lambda function, whose ``headers`` have it."""

Envelopes: TypeAlias = "frozenset[Envelope]"


def declared(envelopes: Collection[Envelope], *known: Envelope) -> Envelopes:
    """Return the envelopes of a consumer. Raises ConfigurationError for one that is not ``known``."""
    given: Any = (envelopes,) if isinstance(envelopes, str) else envelopes
    for envelope in given:
        if envelope not in known:
            raise ConfigurationError(
                f"envelopes={envelopes!r}: {envelope!r} is not one of {', '.join(known)}, as in envelopes=['sns']"
            )
    return frozenset(given)


_VALUES: Final = ("StringValue", "stringValue", "Value", "BinaryValue", "binaryValue")
"""SQS itself; SQS in an event of Lambda; SNS; bytes as boto3 decodes them, and in base64 as Lambda delivers them."""


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping; an empty one for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


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


def of_body(body: object, envelopes: Envelopes) -> list[str]:
    """Return the ``baggage`` of a body that is one of the envelopes, or a list of them."""
    if not envelopes or not isinstance(body, str) or not (BAGGAGE in body.lower() or "\\u" in body):
        return []  # most bodies: nothing is parsed
    text = body.lstrip("\ufeff \t\r\n")
    if not text.startswith(("{", "[")):
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    documents = cast("list[object]", value) if isinstance(value, list) else [value]
    return [text for document in documents for text in _of_document(mapping(document), envelopes)]


def _of_document(document: Mapping[str, Any], envelopes: Envelopes) -> list[str]:
    if "sns" in envelopes and document.get("Type") == "Notification":
        return of_notification(document, envelopes)
    return of_event(document) if "eventbridge" in envelopes else []


def of_notification(notification: Mapping[str, Any], envelopes: Envelopes) -> list[str]:
    """Return the ``baggage`` of a notification of SNS; the message in it may be an event of EventBridge."""
    inner = envelopes - {"sns"}
    return of_attributes(notification.get("MessageAttributes")) + of_body(notification.get("Message"), inner)


def of_event(event: Mapping[str, Any]) -> list[str]:
    """Return the ``baggage`` of an event of EventBridge: a member of its detail, as ``synthetic_boto3`` writes it."""
    members = mapping(event.get("detail")).items()
    return [text for name, value in members if is_baggage(name) for text in baggage_in({BAGGAGE: value})]
