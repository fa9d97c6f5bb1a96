"""Received messages, and single clients that carry the marker without patches on all of them."""

from __future__ import annotations

from collections.abc import Collection
from types import MethodType
from typing import Any, TypeVar

from synthetic.integration import AdmittedMessage, always_on, verdict_on_values
from synthetic_aws_shared._headers import Envelope, declared
from synthetic_boto3._headers import baggage_of
from synthetic_boto3._out import carrying, in_request, sending

__all__ = ["admitted", "cover"]

C = TypeVar("C")


def admitted(message: Any, *, envelopes: Collection[Envelope] = ()) -> AdmittedMessage:
    """Admit a message that was received from SQS, for the length of a ``with`` block, which gives its marker or None.

    ``message`` is one of ``receive_message``, or a ``Message`` of a resource. Raises ``synthetic.MessageRefused`` if it
    must not be handled: don't delete it then, so that it becomes visible again, and the queue's redrive policy moves it
    to the dead-letter queue.

    The marker is an attribute of the message. ``envelopes`` says where else it may be, in the body: ``"sns"``, if that
    is a notification of SNS (without raw message delivery), ``"eventbridge"``, if it is an event of EventBridge.
    Declare one only for a queue that nobody else writes to: whoever writes the body writes the envelope as well.

    If the client is not covered, pass ``MessageAttributeNames=["baggage"]`` when you receive:
    SQS delivers only the attributes that you ask for, and without its marker a simulated message would be real.
    """
    known = declared(envelopes, "sns", "eventbridge")
    return AdmittedMessage(verdict_on_values(baggage_of(message, known)))


def cover(client: C) -> C:
    """Let one client carry the marker, as ``synthetic.instrument("boto3")`` lets all of them, and return it.

    The client of a resource, or of one of its objects, is ``resource.meta.client``.
    """
    covered: Any = client
    for owner, name, wrap in (
        (covered, "_emit_api_params", carrying),
        (covered, "_make_request", in_request),
        (covered._endpoint, "_send", sending),
    ):
        if name not in vars(owner):
            original: Any = getattr(owner, name).__func__
            setattr(owner, name, MethodType(wrap(original, always_on), owner))
    return client
