"""The marker in messages that are sent with boto3: SQS and SNS, and events of EventBridge.

``instrument()`` (or ``synthetic.instrument("boto3")``) covers every client of botocore, whenever it was made, and
``cover(client)`` one. A message that was received is handled in ``admitted(message)``. Calls to any other service of
AWS are calls to its host.
"""

from __future__ import annotations

from types import MethodType
from typing import Any, TypeVar, cast

from botocore.client import BaseClient  # type: ignore[import-untyped]
from botocore.credentials import CredentialResolver, RefreshableCredentials  # type: ignore[import-untyped]
from botocore.endpoint import Endpoint  # type: ignore[import-untyped]
from botocore.tokens import DeferredRefreshableToken  # type: ignore[import-untyped]

from synthetic._arrival import Admitted, arrive
from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_aws_shared._delivered import of_attributes, of_body
from synthetic_boto3._calls import carrying, in_request, sending
from synthetic_boto3._credentials import really
from synthetic_boto3._errors import ExternalRequestRefused, NoRoomForMarker

__all__ = [
    "ExternalRequestRefused",
    "NoRoomForMarker",
    "admitted",
    "cover",
    "instrument",
    "integration",
    "uninstrument",
]

C = TypeVar("C")


def admitted(message: Any) -> Admitted:
    """Admit one message that was received from SQS, for the length of a ``with`` block, which gives its marker or None.

    ``message`` is one of ``receive_message``, or a ``Message`` of a resource. Raises ``synthetic.MessageRefused`` where
    it must not be handled: don't delete it then, so that it becomes visible again, and the queue's redrive policy moves
    it to the dead-letter queue. Without ``instrument()`` or ``cover`` ask for ``MessageAttributeNames=["baggage"]``
    when you receive: what SQS was not asked for can't be seen, and such a message would be real.
    """
    return Admitted(arrive(_baggage_of(message)))


def _baggage_of(message: Any) -> list[str]:
    if isinstance(message, dict):
        received = cast("dict[str, Any]", message)
        return of_attributes(received.get("MessageAttributes")) + of_body(received.get("Body"))
    return of_attributes(message.message_attributes) + of_body(message.body)


def cover(client: C) -> C:
    """Let one client carry the marker, as ``instrument()`` lets all of them, and return it.

    Of a resource or one of its objects it is ``resource.meta.client``.
    """
    covered: Any = client
    for owner, name, wrap in (
        (covered, "_emit_api_params", carrying),
        (covered, "_make_request", in_request),
        (covered._endpoint, "_send", sending),
    ):
        if name not in vars(owner):
            original: Any = getattr(owner, name).__func__
            setattr(owner, name, MethodType(wrap(original, lambda: True), owner))
    return client


integration: Integration = Patches(
    Patch(BaseClient, "_emit_api_params", carrying),
    Patch(BaseClient, "_make_request", in_request),
    Patch(Endpoint, "_send", sending),
    Patch(RefreshableCredentials, "_protected_refresh", really),
    Patch(CredentialResolver, "load_credentials", really),
    Patch(DeferredRefreshableToken, "_protected_refresh", really),
)
"""The entry point ``boto3``."""


def instrument() -> None:
    """Send the marker along with every message of every client. Done once, however often it is called."""
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
