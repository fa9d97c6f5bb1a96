"""The marker in the parameters of a call: an attribute of a message, or a member of the detail of an event."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, TypeAlias, cast

import synthetic
from synthetic.integration import BAGGAGE, baggage_in, dispatch, forget_injected, is_baggage, is_injected
from synthetic_aws_shared._headers import Envelopes, of_attributes, of_body
from synthetic_boto3._refusal import NoRoomForMarker

__all__ = ["Parameters", "asked_for", "baggage_of", "in_attributes", "in_details", "in_each", "is_for_a_person"]

Parameters: TypeAlias = "Mapping[str, Any]"

_MOST: Final = 10
"""The most attributes that a message of SQS can have, or of SNS with raw delivery: SNS silently drops one with more.

A message that already has more is neither: it is left to AWS.
"""


def baggage_of(message: Any, envelopes: Envelopes) -> list[str]:
    """Return the ``baggage`` of a message that was received from SQS: a mapping, or a ``Message`` of a resource."""
    if isinstance(message, Mapping):
        received = cast("Parameters", message)
        return of_attributes(received.get("MessageAttributes")) + of_body(received.get("Body"), envelopes)
    return of_attributes(message.message_attributes) + of_body(message.body, envelopes)


def in_attributes(message: Parameters, call: Parameters | None = None) -> Parameters:
    """Return the message as it leaves; the caller's own stays as it is.

    ``call`` are the parameters around it if it is one of several.
    """
    departing = _marked(message)
    return _told_apart(departing) if _is_fifo(message if call is None else call) else departing


def _is_fifo(call: Parameters) -> bool:
    name: Any = call.get("QueueUrl") or call.get("TopicArn") or call.get("TargetArn")
    return isinstance(name, str) and name.endswith(".fifo")


def _told_apart(message: Parameters) -> Parameters:
    """A FIFO queue compares messages by their bodies alone, and drops the second of two that are the same.

    A real message must not be dropped as the copy of a simulated one: a simulated one gets an id that depends on its
    run as well.
    """
    marker = synthetic.current()
    if marker is None or message.get("MessageDeduplicationId"):
        return message
    body = message.get("MessageBody") or message.get("Message")
    return {**message, "MessageDeduplicationId": sha256(f"{marker.run}\0{body}".encode()).hexdigest()}


def _marked(message: Parameters) -> Parameters:
    given = message.get("MessageAttributes")
    if not given:
        header = dispatch(None).header
        return message if header is None else {**message, "MessageAttributes": {BAGGAGE: _attribute(header)}}
    if not isinstance(given, Mapping):
        return message  # botocore raises its own error for it
    attributes = cast("Parameters", given)
    present = of_attributes(attributes)
    carried = ",".join(present) if present else None
    header = dispatch(carried).header
    if header == carried and not is_injected(attributes):
        return message
    kept = {name: value for name, value in attributes.items() if not is_baggage(name)}
    if header is not None:
        if len(kept) == _MOST:
            raise NoRoomForMarker(
                f"the message has {_MOST} attributes, and AWS takes no more: there is no room for the marker "
                f"({BAGGAGE!r}), without which it would be handled as real. Move an attribute into the body."
            )
        kept[BAGGAGE] = _attribute(header)
    forget_injected(attributes)
    return {**message, "MessageAttributes": kept}


def _attribute(header: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": header}


def in_each(name: str, departing: Callable[[Parameters, Parameters], Parameters]) -> Callable[[Parameters], Parameters]:
    """Return a function that does the same for every message of a batch, the parameter ``name``."""

    def batch(parameters: Parameters) -> Parameters:
        given: Any = parameters.get(name)
        before = cast("list[Parameters]", given)
        if not isinstance(given, (list, tuple)) or not all(isinstance(cast("object", one), Mapping) for one in before):
            return parameters
        after = [departing(message, parameters) for message in before]
        if all(one is other for one, other in zip(before, after, strict=True)):
            return parameters
        return {**parameters, name: after}

    return batch


def _in_detail(event: Parameters, call: Parameters) -> Parameters:
    """An event has no headers: the marker becomes a member of its detail, a JSON object."""
    text: Any = event.get("Detail")
    if not isinstance(text, str):
        text = "{}"
    is_plain = BAGGAGE not in text.lower() and "\\u" not in text
    if is_plain and dispatch(None).header is None:
        return event
    detail = _object(text)
    if detail is None:
        if dispatch(None).header is None:
            return event
        raise NoRoomForMarker(
            "the event's Detail is not a JSON object: there is no room for the marker, without which it would be "
            "handled as real. Make it an object."
        )
    present = baggage_in(detail)
    carried = ",".join(present) if present else None
    header = dispatch(carried).header
    if header == carried:
        return event
    if present and _is_data(detail) and dispatch(None).header is not None:
        raise NoRoomForMarker(
            f"the event's Detail has a member {BAGGAGE!r} that is no text: there is no room for the marker, without "
            "which it would be handled as real. Give that member another name."
        )
    if present:
        text = json.dumps({name: value for name, value in detail.items() if not is_baggage(name)})
    if header is not None:
        text = _with_member(text, header)
    return {**event, "Detail": text}


def _is_data(detail: Parameters) -> bool:
    return not all(isinstance(value, str) for name, value in detail.items() if is_baggage(name))


in_details: Final = in_each("Entries", _in_detail)


def _with_member(text: str, header: str) -> str:
    """Every other byte of the object stays: its reader may depend on how a number is written."""
    opening, rest = text.split("{", 1)
    between = "" if rest.lstrip().startswith("}") else ", "
    return f"{opening}{{{json.dumps(BAGGAGE)}: {json.dumps(header)}{between}{rest}"


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def asked_for(parameters: Parameters) -> Parameters:
    """Return the parameters of a call to receive messages, which then asks for our attribute as well."""
    names: Any = parameters.get("MessageAttributeNames") or []
    if not isinstance(names, (list, tuple)) or any(name in ("All", ".*", BAGGAGE) for name in cast("Any", names)):
        return parameters
    return {**parameters, "MessageAttributeNames": [*cast("list[str]", names), BAGGAGE]}


def is_for_a_person(parameters: Parameters) -> bool:
    """Whether SNS sends it to a telephone, as a text or to an app: it is not a message to a service."""
    return bool(parameters.get("PhoneNumber")) or ":endpoint/" in str(parameters.get("TargetArn") or "")
